"""The time-out of the table for each wait of an upstream connection."""

from typing import Literal

from proxy.model import Timeouts

Wait = Literal["client", "upload", "head", "body", "tunnel"]
"""The awaited event.

client: the client sends more of its body. upload: the backend reads the body. head: it begins its response. body: it
sends more of the response. tunnel: either side sends.
"""


def overdue_text(wait: Wait, silence_s: float, timeouts: Timeouts) -> str | None:
    """The end of an error message if the silence was too long, with the field of the table and its value; else None."""
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
