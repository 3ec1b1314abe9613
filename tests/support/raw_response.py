"""Parts of a response that a test has read as bytes, up to the end of its connection."""


def status_of(response: bytes) -> int:
    """Of the first response, which may be an interim one."""
    return int(response.split(b" ", 2)[1])


def final_status_of(response: bytes) -> int:
    """Of the final response, after any interim ones."""
    status = status_of(response)
    return status if status >= 200 else final_status_of(response.partition(b"\r\n\r\n")[2])


def head_of(response: bytes) -> bytes:
    return response.partition(b"\r\n\r\n")[0]


def body_of(response: bytes) -> bytes:
    return response.partition(b"\r\n\r\n")[2]


def is_complete(response: bytes) -> bool:
    """Whether its framing says that the body is whole."""
    lower = head_of(response).lower()
    if b"transfer-encoding: chunked" in lower:
        return response.endswith(b"0\r\n\r\n")
    if b"content-length: " in lower:
        length = lower.split(b"content-length: ")[1].split(b"\r\n")[0]
        return len(body_of(response)) >= int(length)
    return True
