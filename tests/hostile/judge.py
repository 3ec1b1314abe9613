"""Runs one case against one contestant. What it finds wrong are sentences; none is a pass."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from tests.hostile.cases import Case, Hostile, Seen
from tests.hostile.client import Client, Ended, Nonsense, Reply, Silent
from tests.hostile.origin import Origin
from tests.support.waiting import comes_true


@dataclass
class Judge:
    """`ours` holds the contestant to the statuses of the rows; others may choose any from 400 on."""

    address: tuple[str, int]
    origin: Origin
    ours: bool = True
    patience_s: float = 4.0
    _numbers: "count[int]" = field(default_factory=count)

    def request(self, case: Case) -> list[str]:
        """Send a hostile request."""
        self.origin.begin()
        with Client(self.address, self.patience_s) as client:
            self._send(client, case)
            wrong = self._replies(client, case)
        wrong += self._probe_elsewhere()
        wrong += self._seen(case)
        return wrong + self._always()

    def response(self, case: Hostile) -> list[str]:
        """Ask for a hostile response."""
        self.origin.begin(case)
        line = b"%b /case HTTP/1.1\r\nHost: facade.example\r\n\r\n" % case.method.encode()
        heard = b""
        with Client(self.address, self.patience_s) as client:
            client.send(line)
            try:
                reply = client.reply(case.method)
            except Ended:
                wrong = [] if case.verdict != "passed" else ["it closed without a response"]
            except (Silent, Nonsense) as fault:
                wrong = [f"no response: {fault}"]
            else:
                wrong = self._judge_response(case, reply)
                # Nobody can tell surplus bytes that come after the next request from a response to it.
                comes_true(lambda: self.origin.played, self.patience_s)
                if not wrong and reply.complete:
                    wrong = self._probe_here(client)
            heard = client.heard
        wrong += self._probe_elsewhere()
        if b"SECRET" in heard:
            wrong.append("bytes behind the response reached a client")
        return wrong + self._always()

    def _send(self, client: Client, case: Case) -> None:
        for piece in case.pieces:
            if piece is None:
                comes_true(lambda: bool(self.origin.of_case()), 0.3)
            else:
                client.send(piece)

    # --- requests ---------------------------------------------------------------------------------

    def _replies(self, client: Client, case: Case) -> list[str]:
        replies: list[Reply] = []
        expected = max(1, len(case.sees))
        try:
            while len(replies) < expected:
                replies.append(client.reply(_method(case, len(replies))))
        except Ended:
            if case.verdict == "passed":
                return [f"it closed after {len(replies)} of {expected} responses"]
            return []
        except (Silent, Nonsense) as fault:
            return (
                []
                if case.verdict == "harmless"
                else [f"no response: {type(fault).__name__} {fault}"]
            )
        wrong = [each for reply in replies for each in self._judge_reply(case, reply)]
        if wrong:
            return wrong
        if case.then_refused:
            return self._refused_now(client)
        if case.verdict == "harmless":
            return []
        if case.closes:
            return [] if client.ends() else ["the connection stays open after its refusal"]
        return self._probe_here(client) if replies[-1].complete else []

    def _judge_reply(self, case: Case, reply: Reply) -> list[str]:
        if case.verdict == "harmless":
            return ["it switched protocols"] if 101 in reply.interim else []
        if case.verdict == "passed" or (case.verdict == "either" and reply.status < 400):
            return self._is_origins(reply)
        if reply.status in case.statuses or (not self.ours and reply.status >= 400):
            return []
        return [f"responded {reply.status}, not {sorted(case.statuses)}"]

    def _is_origins(self, reply: Reply) -> list[str]:
        if reply.status == 200 and reply.complete:
            return []
        return [
            f"responded {reply.status} where it was to pass the request on: {reply.body[:200]!r}"
        ]

    def _refused_now(self, client: Client) -> list[str]:
        try:
            reply = client.reply()
        except Ended:
            return []
        except (Silent, Nonsense) as fault:
            return [f"no refusal of what follows: {fault}"]
        return [] if reply.status >= 400 else [f"what follows got status {reply.status}"]

    def _seen(self, case: Case) -> list[str]:
        taken = self.origin.of_case()
        if case.verdict == "harmless":
            return []
        if case.verdict == "either" and not any(each.complete for each in taken):
            return [] if case.streamed or not taken else ["the origin saw a part of it"]
        if case.verdict == "refused":
            return [f"the origin saw {each.head + each.body!r}"[:300] for each in taken]
        if case.verdict == "cut":
            comes_true(
                lambda: all(t.complete or t.ended for t in self.origin.of_case()), self.patience_s
            )
            taken = self.origin.of_case()
            wrong = [f"the origin took {t.head[:120]!r} for complete" for t in taken if t.complete]
            open_ = [t for t in taken if not (t.complete or t.ended)]
            return wrong + ["the origin's connection stays open" for _ in open_]
        if len(taken) != len(case.sees):
            return [f"the origin saw {len(taken)} requests: {[t.line for t in taken]}"]
        pairs = zip(case.sees, taken, strict=True)
        return [
            each for seen, got in pairs for each in _differs(seen, got.head, got.line, got.body)
        ]

    # --- responses ----------------------------------------------------------------------------------

    def _judge_response(self, case: Hostile, reply: Reply) -> list[str]:
        if case.verdict == "harmless":
            return []
        if case.verdict == "refused":
            if not reply.complete or reply.status == 502 or (not self.ours and reply.status > 500):
                return []
            return [f"responded {reply.status} {reply.body[:80]!r} as if it were complete"]
        wrong = [] if reply.status == case.status else [f"responded {reply.status}"]
        if case.verdict == "cut":
            # A contestant that reads on before it responds may notice the fault in time.
            if not reply.complete or reply.status == 502:
                return []
            return [f"responded {reply.status} {reply.body[:80]!r} as if it were complete"]
        if reply.body != case.body or not reply.complete:
            wrong.append(f"the body became {reply.body[:80]!r}, complete: {reply.complete}")
        lower = reply.head.lower()
        wrong += [f"{each!r} is missing" for each in case.has if each not in lower]
        return wrong + [f"{each!r} was passed on" for each in case.lacks if each in lower]

    # --- always ---------------------------------------------------------------------------------------

    def _probe_here(self, client: Client) -> list[str]:
        """The next request on this connection gets its own response, or the connection is closed."""
        target = b"/probe-%d" % next(self._numbers)
        client.send(_probe(target))
        try:
            reply = client.reply()
        except Ended:
            return []
        except (Silent, Nonsense) as fault:
            return [f"the next response on the connection: {type(fault).__name__} {fault}"]
        if (reply.status, reply.body) == (200, target):
            return []
        return [f"the next response on the connection: {reply.status} {reply.body[:80]!r}"]

    def _probe_elsewhere(self) -> list[str]:
        target = b"/probe-%d" % next(self._numbers)
        with Client(self.address, self.patience_s) as client:
            client.send(_probe(target))
            try:
                reply = client.reply()
            except (Ended, Silent, Nonsense) as fault:
                return [f"the next client's response: {type(fault).__name__} {fault}"]
        if (reply.status, reply.body) == (200, target):
            return []
        return [f"the next client's response: {reply.status} {reply.body[:80]!r}"]

    def _always(self) -> list[str]:
        wrong = [f"the origin got {fault}" for fault in self.origin.faults]
        below = [t for t in self.origin.of_case() if t.target.startswith(b"/internal")]
        return wrong + [f"smuggled: {each.line!r}" for each in below]


def _probe(target: bytes) -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: facade.example\r\n\r\n" % target


def _method(case: Case, number: int) -> str:
    seen: Sequence[Seen] = case.sees
    return seen[number].line.partition(b" ")[0].decode() if number < len(seen) else "GET"


def _differs(seen: Seen, head: bytes, line: bytes, body: bytes) -> list[str]:
    wrong = [] if line == seen.line else [f"the origin saw {line!r}, not {seen.line!r}"]
    if body != seen.body:
        wrong.append(f"the origin saw the body {body[:80]!r}, not {seen.body[:80]!r}")
    lower = head.lower()
    wrong += [f"the origin did not see {each!r}" for each in seen.has if each not in lower]
    return wrong + [f"the origin saw {each!r}" for each in seen.lacks if each in lower]
