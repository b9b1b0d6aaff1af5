"""The load: a process of its own that judges over HTTP, one keep-alive connection for each annotator.

    python -m bench.engine.load < plan.json

One thread, one epoll, bytes by hand: a request costs it some 50 µs, so that it takes next to nothing from the
server beside it. Each annotator waits for an answer and sends the next call at once (zero think time). It
prints `go` when the warm-up is over, `end` when the time is, and then its figures as one line of JSON.
"""

import json
import random
import selectors
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Any

ERRORS_MAX = 20
SILENCE_SECONDS = 120.0
"""With no answer at all for so long, the run is given up."""


@dataclass
class Plan:
    """What to send. Ends after `seconds`, or once every annotator has done `rounds` when that is set.

    With a `path` it is fetched over and over, by as many connections as there are tokens.
    """

    port: int
    project: str
    tokens: list[str]
    seconds: float
    warm_up_seconds: float = 0.0
    rounds: int | None = None
    path: str | None = None


@dataclass
class Figures:
    """Milliseconds of each call that was sent and answered between `go` and `end`, in the order of answers.

    `accepted` counts every judgment that was acknowledged, warm-up and last stragglers too; `dry` those
    annotators who were told that there is nothing left.
    """

    lease: list[float] = field(default_factory=list)
    nothing: list[float] = field(default_factory=list)
    submit: list[float] = field(default_factory=list)
    get: list[float] = field(default_factory=list)
    accepted: int = 0
    dry: int = 0
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0
    cpu_seconds: float = 0.0


class Annotator:
    """One person at one connection: lease, submit, lease, …"""

    def __init__(self, plan: Plan, number: int, token: str) -> None:
        self.plan = plan
        self.chance = random.Random(number)
        self.rounds = 0
        self.buffer = b""
        self.call = ""
        self.sent_at = 0.0
        host = f"Host: 127.0.0.1:{plan.port}\r\n"
        head = f"{host}Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        self.post_head = head.encode()
        self.lease_request = self.post(f"/api/v1/projects/{plan.project}/lease", b"{}")
        self.get_request = f"GET {plan.path} HTTP/1.1\r\n{host}\r\n".encode()
        self.socket = socket.create_connection(("127.0.0.1", plan.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)

    def post(self, path: str, body: bytes) -> bytes:
        return b"POST %s HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s" % (
            path.encode(),
            self.post_head,
            len(body),
            body,
        )

    def send(self, call: str, request: bytes) -> None:
        self.call = call
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def start_round(self) -> None:
        if self.plan.path is not None:
            self.send("get", self.get_request)
        else:
            self.send("lease", self.lease_request)

    def submit(self, lease: dict[str, Any]) -> None:
        """Judge what was leased: one answer in ten is a tie."""
        strength = self.chance.randrange(30)
        if strength < 3:
            answer = '{"tie":"both_good"}'
        else:
            answer = f'{{"preferred":"{"AB"[strength % 2]}","strength":{strength % 3 + 1}}}'
        body = (
            f'{{"submission_id":"{lease["submission_id"]}","attempt":{lease["attempt"]},"answer":{answer},'
            f'"active_seconds":20.5,"read_to_end":["A","B"]}}'
        )
        self.send("submit", self.post(f"/api/v1/assignments/{lease['assignment']}/judgments", body.encode()))

    def receive(self) -> tuple[int, bytes] | None:
        """(status, body) once the answer is complete. Raises ConnectionError when the server hangs up."""
        block = self.socket.recv(262_144)
        if not block:
            raise ConnectionError("the server closed the connection")
        self.buffer += block
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return None
        status = int(head[9:12])
        _, named, rest = head.lower().partition(b"\r\ncontent-length:")
        if not named and status != 204:
            raise ConnectionError("an answer without Content-Length")
        if len(body) < (int(rest.partition(b"\r\n")[0]) if named else 0):
            return None
        self.buffer = b""
        return status, body


class Run:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.figures = Figures()
        self.working = 0
        self.selector = selectors.DefaultSelector()
        self.starts = self.ends = 0.0

    def run(self) -> Figures:
        annotators = [Annotator(self.plan, n, token) for n, token in enumerate(self.plan.tokens)]
        self.starts = time.perf_counter() + self.plan.warm_up_seconds
        self.ends = self.starts + self.plan.seconds
        for annotator in annotators:
            self.selector.register(annotator.socket, selectors.EVENT_READ, annotator)
            self.working += 1
            annotator.start_round()
        went = ended = False
        cpu = 0.0
        while self.working:
            now = time.perf_counter()
            if not went and now >= self.starts:
                went, cpu = True, time.process_time()
                say("go")
            if went and not ended and now >= self.ends:
                ended = True
                self.figures.cpu_seconds = time.process_time() - cpu
                say("end")
            due = self.ends if went else self.starts
            self.wait(SILENCE_SECONDS if ended else max(due - now, 0.0) + 0.001)
        if not ended:  # all rounds were done before the time was up
            self.figures.cpu_seconds = time.process_time() - cpu
            self.ends = time.perf_counter()
            say("end")
        self.figures.seconds = self.ends - self.starts
        return self.figures

    def wait(self, seconds: float) -> None:
        ready = self.selector.select(seconds)
        if not ready and seconds >= SILENCE_SECONDS:
            self.figures.errors.append(f"{self.working} calls got no answer")
            self.working = 0
        for key, _ in ready:
            annotator: Annotator = key.data
            try:
                answer = annotator.receive()
                if answer is not None:
                    self.answered(annotator, *answer)
            except ConnectionError as error:
                self.figures.errors.append(f"{annotator.call}: {error}")
                self.leave(annotator)

    def answered(self, annotator: Annotator, status: int, body: bytes) -> None:
        now = time.perf_counter()
        call = "nothing" if status == 204 else annotator.call
        if self.starts <= annotator.sent_at and now <= self.ends:
            getattr(self.figures, call).append((now - annotator.sent_at) * 1000)
        if status == 200 and call == "lease":
            annotator.submit(json.loads(body))
            return
        if status == 201:
            self.figures.accepted += 1
        elif status == 204:
            self.figures.dry += 1
        elif status != 200 or call != "get":
            self.figures.errors.append(f"{annotator.call}: {status} {body[:300].decode(errors='replace')}")
        annotator.rounds += 1
        is_over = now >= self.ends or len(self.figures.errors) >= ERRORS_MAX
        is_done = annotator.rounds >= self.plan.rounds if self.plan.rounds is not None else status == 204
        if is_over or is_done:
            self.leave(annotator)
        else:
            annotator.start_round()

    def leave(self, annotator: Annotator) -> None:
        self.selector.unregister(annotator.socket)
        annotator.socket.close()
        self.working -= 1


def say(word: str) -> None:
    print(word, flush=True)


def main() -> None:
    plan = Plan(**json.load(sys.stdin))
    say(json.dumps(vars(Run(plan).run())))


if __name__ == "__main__":
    main()
