"""The answer to what never became a request, on the wire. It ends the connection."""

from proxy.answers import problem
from proxy.client_head import answer_head, lines_of
from proxy.errors import RequestError


def refusal(error: RequestError) -> bytes:
    """A whole answer: `error` as a problem (RFC 9457)."""
    answer = problem(error)
    length = b"%d" % len(answer.body)
    return answer_head(answer.status, lines_of(answer.headers), length, False, True) + answer.body
