"""Cookies of a backend: which it receives, which it may set, and their names on both sides. Pure.

A browser has one name for a cookie, a backend another if the table renames it. A cookie that a backend may not see it
may not set either: two applications would replace each other's sessions.
"""

from proxy.model import ALL_COOKIES, CookieRules, HeaderPairs

COOKIE = b"cookie"
SET_COOKIE = b"set-cookie"
_BLANKS = b" \t"


def with_cookies(headers: HeaderPairs, rules: CookieRules) -> HeaderPairs:
    """The fields of a request with the cookies that the backend receives. A field without any is left out."""
    filtered: HeaderPairs = []
    for name, value in headers:
        if name == COOKIE:
            pairs = [pair.strip() for pair in value.split(b";")]
            kept = [renamed for pair in pairs if (renamed := _for_backend(pair, rules)) is not None]
            if not kept:
                continue
            if kept != pairs:
                value = b"; ".join(kept)
        filtered.append((name, value))
    return filtered


def with_set_cookies(headers: HeaderPairs, rules: CookieRules) -> HeaderPairs:
    """The fields of a response with the cookies that the backend may set, under their names for the client."""
    if rules is ALL_COOKIES:
        return headers
    kept: HeaderPairs = []
    for name, value in headers:
        if name == SET_COOKIE:
            own = _name_in(value)
            for_client = _client_name(own, rules)
            if for_client is None:
                continue
            value = _with_name(value, own, for_client)
        kept.append((name, value))
    return kept


def dropped_cookies(headers: HeaderPairs, rules: CookieRules) -> tuple[str, ...]:
    """The names of the cookies that a response sets and that its backend may not set."""
    if rules is ALL_COOKIES:
        return ()
    names = [_name_in(value) for name, value in headers if name == SET_COOKIE]
    return tuple(name for name in names if _client_name(name, rules) is None)


def in_words(rules: CookieRules) -> str:
    """The cookies that the backend receives and may set, by their names for clients. Empty for all of them."""
    own = {name for name, _ in rules.renamed}
    renamed = [f"{client} as {name}" for name, client in sorted(rules.renamed)]
    if rules.only is not None:
        names = [*sorted(rules.only - rules.remove - own), *renamed]
        return f"only {', '.join(names) or 'none'}"
    hidden = sorted((rules.remove | own) - {client for _, client in rules.renamed})
    words = f"all but {', '.join(hidden)}" if hidden else "all" if renamed else ""
    return f"{words}, and {', '.join(renamed)}" if renamed else words


def _for_backend(pair: bytes, rules: CookieRules) -> bytes | None:
    """A cookie of a request as the backend gets it; None if it does not."""
    name = _name_in(pair)
    for_backend = _backend_name(name, rules)
    return None if for_backend is None else _with_name(pair, name, for_backend)


def _backend_name(name: str, rules: CookieRules) -> str | None:
    """The backend's name of a client's cookie. None if the backend does not get it."""
    for own, for_client in rules.renamed:
        if name == for_client:
            return own
    hidden = any(name == own for own, _ in rules.renamed)
    return None if hidden or not rules.passes(name) else name


def _client_name(name: str, rules: CookieRules) -> str | None:
    """The client's name of a backend's cookie. None if the backend may not set it."""
    for own, for_client in rules.renamed:
        if name == own:
            return for_client
    taken = any(name == for_client for _, for_client in rules.renamed)
    return None if taken or not rules.passes(name) else name


def _name_in(value: bytes) -> str:
    """The name under which servers read a cookie: browsers send a nameless `=a=1` back as `a=1` (RFC 6265bis 5.8.3)."""
    return _unpadded(value).partition(b";")[0].partition(b"=")[0].rstrip(_BLANKS).decode("latin-1")


def _with_name(value: bytes, name: str, other: str) -> bytes:
    """A cookie with another name. All else stays as it is, and the whole value if the name does."""
    if name == other:
        return value
    return other.encode("latin-1") + _unpadded(value)[len(name) :]


def _unpadded(value: bytes) -> bytes:
    return value.lstrip(b"=" + _BLANKS)
