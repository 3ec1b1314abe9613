"""Which time-out of the table holds for what an upstream connection waits for."""

from typing import Literal

from proxy.model import Timeouts

Wait = Literal["client", "upload", "head", "body", "tunnel"]
"""What the exchange waits for: more of the client's body; the backend, to take the body, to begin its response, to
send the rest of it; or either side of a tunnel."""


def overdue_text(wait: Wait, silence_s: float, timeouts: Timeouts) -> str | None:
    """What to say of the backend if it was silent for too long. It names the field of the table and its value."""
    match wait:
        case "client":
            return None  # The client is slow, not the backend.
        case "upload":
            limit_s = timeouts.stream_idle_s
            text = f"took nothing of the request for stream_idle: {limit_s:g}s"
        case "head":
            limit_s = timeouts.attempt_s
            text = f"gave no answer within {timeouts.attempt_field}"
        case "body":
            limit_s = timeouts.stream_idle_s
            text = f"went silent in the middle of its answer, for stream_idle: {limit_s:g}s"
        case "tunnel":
            limit_s = timeouts.tunnel_idle_s
            text = f"and its client were silent for {limit_s:g} s (tunnel_idle)"
    return text if silence_s >= limit_s else None
