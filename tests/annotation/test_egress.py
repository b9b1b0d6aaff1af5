"""What the server sends to an address that a person gave, and what it does not."""

import ipaddress
import socket
import threading
from collections.abc import Iterator

import pytest

from annotation.egress import (
    BYTES_MAX,
    EgressFailed,
    EgressRefused,
    Network,
    is_public,
    refuse_address,
    send,
)
from tests.exporters.receiving import receiver

CLOSED: list[Network] = []
LOOPBACK: list[Network] = [ipaddress.ip_network("127.0.0.0/8")]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::1",
        "2001:0:7f00:1::",
        "2001:db8::1",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
    ],
)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(EgressRefused, match="private network"):
        refuse_address(f"https://{host}/hook", CLOSED)
    with pytest.raises(EgressRefused, match="private network"):
        send(f"https://{host}/hook", b"", {}, opened=CLOSED)


@pytest.mark.parametrize("address", ["8.8.8.8", "172.32.0.1", "2606:4700::1111", "2a00:1450:4001::1"])
def test_public_addresses_are_not(address: str) -> None:
    """The control: a guard that refuses everything would pass the test above."""
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://example.org/hook", "Only https"),
        ("ftp://example.org/hook", "looks like"),
        ("https:///hook", "looks like"),
        ("https://example.org:0/", "looks like"),
        ("https://example.org:99999/", "This is not an address"),
        ("https://[::1/", "This is not an address"),
        ("https://me:secret@example.org/", "name or password"),
        ("https://example.org/#part", "behind #"),
        ("https://example.org/a b", "plain characters"),
        ("https://example.org\\@127.0.0.1/", "plain characters"),
        ("https://exämple.org/", "plain characters"),
        ("https://example.org/\r\nHost: x", "plain characters"),
        (f"https://example.org/{'x' * 500}", "plain characters"),
    ],
)
def test_what_is_no_address_to_send_to_is_refused(url: str, sentence: str) -> None:
    with pytest.raises(EgressRefused, match=sentence):
        refuse_address(url, CLOSED)


def test_numbers_that_only_the_resolver_reads_as_loopback_are_refused_when_sent() -> None:
    """2130706433 and 0x7f.1 are 127.0.0.1 to the system's resolver."""
    for host in ("2130706433", "0x7f.1", "127.1"):
        with pytest.raises((EgressRefused, EgressFailed)):
            send(f"https://{host}/", b"", {}, opened=CLOSED)


def test_a_name_that_resolves_to_loopback_is_refused_unless_that_is_opened() -> None:
    with receiver() as there:
        url = there.url.replace("127.0.0.1", "localhost")
        assert socket.gethostbyname("localhost") == "127.0.0.1"
        with pytest.raises(EgressRefused, match="private network"):
            send(url, b"{}", {}, opened=CLOSED)
        assert there.sent == []
        # The control: opened, the same address is reached.
        reply = send(url, b"{}", {"X-Test": "yes"}, opened=[*LOOPBACK, ipaddress.ip_network("::1/128")])
        assert (reply.status, there.sent[0].body, there.sent[0].headers["x-test"]) == (204, b"{}", "yes")
        assert there.sent[0].path == "/hook?key=1"
        assert there.sent[0].headers["host"] == f"localhost:{there.port}"


def test_one_private_address_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a hostile name server would answer; ours here cannot."""
    entries = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 443)) for ip in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: entries)
    with pytest.raises(EgressRefused, match="private network"):
        send("https://example.org/", b"", {}, opened=CLOSED)


def test_the_name_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second look-up could be answered with another address than the one that was checked."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def counted(host: str, *rest: object, **more: object) -> object:
        if host == "localhost":
            asked.append(host)
        return real(host, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", counted)
    with receiver() as there:
        opened = [*LOOPBACK, ipaddress.ip_network("::1/128")]
        send(there.url.replace("127.0.0.1", "localhost"), b"", {}, opened=opened)
    assert asked == ["localhost"]


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    with receiver() as inside, receiver() as there:
        there.answers.append((302, {"Location": inside.url}))
        assert send(there.url, b"", {}, opened=LOOPBACK).status == 302
        assert inside.sent == []


@pytest.fixture
def drip() -> Iterator[int]:
    """The port of a server that sends a byte of its header now and then, and never ends it."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)

        def serve() -> None:
            while not stop.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
                    while not stop.wait(0.05):
                        try:
                            connection.sendall(b"x")
                        except OSError:
                            break

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        stop.set()
        thread.join()


def test_somebody_who_never_ends_is_cut_off(drip: int) -> None:
    with pytest.raises(EgressFailed, match=r"did not answer within 0\.5 seconds"):
        send(f"http://127.0.0.1:{drip}/", b"", {}, opened=LOOPBACK, seconds=0.5)


def test_an_answer_is_read_up_to_its_limit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (BYTES_MAX + 9))

        thread = threading.Thread(target=serve)
        thread.start()
        reply = send(f"http://127.0.0.1:{server.getsockname()[1]}/", b"", {}, opened=LOOPBACK)
        thread.join()
    assert len(reply.body) == BYTES_MAX


def test_nobody_listening_and_no_such_name_are_failures_that_may_pass() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(EgressFailed, match="Nobody listens"):
        send(f"http://127.0.0.1:{port}/", b"", {}, opened=LOOPBACK)
    with pytest.raises(EgressFailed, match="The name was not found"):
        send("https://nothing.invalid/", b"", {}, opened=CLOSED)


def test_tls_is_spoken_with_the_name() -> None:
    """A server that speaks no TLS is no receiver; the name it would have to prove goes first, in the clear."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                heard.append(connection.recv(65_536))

        thread = threading.Thread(target=serve)
        thread.start()
        opened = [*LOOPBACK, ipaddress.ip_network("::1/128")]
        with pytest.raises(EgressFailed, match="The connection broke"):
            send(f"https://localhost:{server.getsockname()[1]}/", b"", {}, opened=opened)
        thread.join()
    assert heard[0][0] == 0x16 and b"localhost" in heard[0]
