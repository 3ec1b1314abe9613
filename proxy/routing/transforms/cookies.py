"""The cookies that a backend receives, and those that it may set."""

from proxy.model import ALLOW_ALL, Allow, HeaderPairs


def with_cookies(headers: HeaderPairs, allow: Allow) -> HeaderPairs:
    """`headers` with the cookies that `allow` passes; a field without any is left out."""
    filtered: HeaderPairs = []
    for name, value in headers:
        if name == b"cookie":
            pairs = [pair.strip() for pair in value.split(b";")]
            kept = [p for p in pairs if allow.passes(p.partition(b"=")[0].decode("latin-1"))]
            if not kept:
                continue
            if len(kept) < len(pairs):
                value = b"; ".join(kept)
        filtered.append((name, value))
    return filtered


def dropped_cookies(headers: HeaderPairs, allow: Allow) -> tuple[str, ...]:
    """The names of the cookies that a response sets and that its backend may not see."""
    if allow is ALLOW_ALL:
        return ()
    names = (_set_cookie_name(value) for name, value in headers if name == b"set-cookie")
    return tuple(name for name in names if not allow.passes(name))


def without_cookies(headers: HeaderPairs, dropped: tuple[str, ...]) -> HeaderPairs:
    """The fields of a response without those that set a cookie of `dropped`."""
    if not dropped:
        return headers
    return [
        pair
        for pair in headers
        if pair[0] != b"set-cookie" or _set_cookie_name(pair[1]) not in dropped
    ]


def _set_cookie_name(value: bytes) -> str:
    """The name under which servers will read the cookie: a browser sends `=a=1` back as `a=1`."""
    pair = value.partition(b";")[0].lstrip(b"= \t")
    return pair.partition(b"=")[0].strip().decode("latin-1")
