"""Sending to an address that a person gave: the only road from this server to such a place.

Whoever may name an address could make the server speak to what only it can reach: its own loopback, the network behind
it, the metadata service of a cloud. So the name is resolved once, every address it has must be public, and the
connection goes to exactly that address, with the name in `Host` and in TLS. Redirects are not followed; time and bytes
are bounded. The operator may open networks (CONCORD_EGRESS_NETWORKS); plain http goes to opened loopback only.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

URL_MAX = 500
SECONDS = 10.0
"""From the connection to the end of the answer."""
BYTES_MAX = 65_536
"""Read of an answer; the rest is left."""
UNICAST = ipaddress.ip_network("2000::/3")
"""The only part of IPv6 that is given out; mapped, translated and local addresses lie outside."""
RESERVED = tuple(
    ipaddress.ip_network(network)
    for network in (
        # IANA's registry of special addresses, whatever the version of Python thinks of them.
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        # Protocols (Teredo among them) and 6to4, which hold an IPv4 address that may be private; documentation.
        *("2001::/23", "2002::/16", "2001:db8::/32", "3fff::/20"),
        # A cloud's own service at an address that looks public; those of other clouds are link-local or private.
        "168.63.129.16/32",
    )
)


class EgressRefused(Exception):
    """Nothing is sent there; the sentence says why."""


class EgressFailed(Exception):
    """It was tried and did not work; it may work later."""


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    """At most BYTES_MAX of it."""


def is_public(address: Address) -> bool:
    if address.version == 6 and address not in UNICAST:
        return False
    return not any(address in network for network in RESERVED)


def is_allowed(address: Address, opened: Sequence[Network]) -> bool:
    return is_public(address) or any(address in network for network in opened)


def parsed(url: str) -> SplitResult:
    """The parts of an address that could be sent to. Raises EgressRefused, without looking a name up."""
    if len(url) > URL_MAX or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise EgressRefused(f"An address has at most {URL_MAX} plain characters, without spaces.")
    try:
        parts = urlsplit(url)
        has_port = parts.port != 0
    except ValueError as error:
        raise EgressRefused(f"This is not an address: {error}.") from error
    if parts.scheme not in ("https", "http") or not parts.hostname or not has_port:
        raise EgressRefused("An address looks like https://example.org/hook.")
    if parts.username is not None or parts.password is not None:
        raise EgressRefused("A name or password in an address is not sent; leave it out.")
    if parts.fragment:
        raise EgressRefused("What stands behind # is not sent; leave it out.")
    return parts


def refuse_address(url: str, opened: Sequence[Network]) -> None:
    """What is wrong with an address before its name is looked up; raises EgressRefused."""
    parts = parsed(url)
    try:
        literal = ipaddress.ip_address(parts.hostname or "")
    except ValueError:
        is_loopback = True  # a name may turn out to be loopback; `send` sees
    else:
        is_loopback = literal.is_loopback
        refuse_closed([literal], opened)
    if parts.scheme == "http" and not (is_loopback and any(network.is_loopback for network in opened)):
        raise EgressRefused("Only https is sent to.")


def refuse_closed(addresses: Sequence[Address], opened: Sequence[Network]) -> None:
    # One private address among public ones is refused as well: which one is used must not be a matter of luck.
    if not all(is_allowed(address, opened) for address in addresses):
        raise EgressRefused(
            "This address leads into a private network, to this machine or to a reserved place."
        )


def resolve(host: str, port: int) -> list[Address]:
    """All addresses of a name, in the system's order. Raises EgressFailed when there are none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise EgressFailed("The name was not found.") from error
    return [ipaddress.ip_address(entry[4][0]) for entry in found]


def send(
    url: str, body: bytes, headers: Mapping[str, str], *, opened: Sequence[Network], seconds: float = SECONDS
) -> Reply:
    """POST `body`; any status is a reply, also a redirect. Raises EgressRefused or EgressFailed."""
    parts = parsed(url)
    host, is_tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if is_tls else 80)
    addresses = resolve(host, port)
    refuse_closed(addresses, opened)
    if not is_tls and not all(address.is_loopback for address in addresses):
        raise EgressRefused("Only https is sent to.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        with connected(addresses, port, host if is_tls else None, seconds) as sock:
            connection = http.client.HTTPConnection(host, port, timeout=seconds)
            connection.sock = sock
            connection.request("POST", path, body, {"Host": parts.netloc, "Connection": "close", **headers})
            response = connection.getresponse()
            return Reply(response.status, response.read(BYTES_MAX))
    except ssl.SSLCertVerificationError as error:
        raise EgressFailed("Its certificate is not valid for the name.") from error
    except TimeoutError as error:
        raise EgressFailed(f"It did not answer within {seconds:g} seconds.") from error
    except ConnectionRefusedError as error:
        raise EgressFailed("Nobody listens there.") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise EgressFailed(f"The connection broke ({type(error).__name__}).") from error


@contextmanager
def connected(
    addresses: Sequence[Address], port: int, tls_name: str | None, seconds: float
) -> Iterator[socket.socket]:
    """A socket to the first of `addresses` that answers, cut off after `seconds` whatever the other side does.

    A timeout of the socket alone holds each read; somebody who sends a byte at a time would keep us for hours.
    """
    plain = first_that_answers(addresses, port, seconds)
    wire = plain.dup()  # TLS takes `plain` over; this one ends the connection below it
    is_late = threading.Event()

    def cut() -> None:
        is_late.set()
        with suppress(OSError):
            wire.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        sock = plain
        if tls_name is not None:
            sock = ssl.create_default_context().wrap_socket(plain, server_hostname=tls_name)
        with sock:
            yield sock
        # To the reader a connection that was cut looks like one that ended: half an answer is none.
        if is_late.is_set():
            raise TimeoutError
    except (OSError, ValueError, http.client.HTTPException) as error:
        if is_late.is_set():
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()
        timer.join()
        plain.close()
        wire.close()


def first_that_answers(addresses: Sequence[Address], port: int, seconds: float) -> socket.socket:
    last: OSError = OSError("no address")
    for address in addresses:
        try:
            return socket.create_connection((str(address), port), timeout=seconds)
        except OSError as error:
            last = error
    raise last
