"""The bucket of a request in its cohort: a hash of salt and key, made again for each request (rule 3). Pure.

No cookie holds a choice, so weight 0 empties a backend with the next request, and all workers and replicas agree
without shared state.
"""

from hashlib import sha256
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from proxy.model import (
    ALL_BP,
    STRICT_PATHS,
    Cohort,
    Decision,
    Facts,
    HashKey,
    Match,
    Moment,
    PathPolicy,
)
from proxy.routing.cookie_fields import values_of_cookie
from proxy.routing.paths import onward_path, segments_of
from proxy.routing.transforms.facade_fields import (
    client_origin,
    is_forwarding,
    values_that_pass,
)


class Place(Struct, frozen=True):
    """The place of a request in its cohort."""

    bucket_bp: int
    reason: str
    """`cohort`, or `draw` for a request that has no key and gets none."""
    new_id: bytes = b""


def bucket_of(salt: str, key: bytes) -> int:
    """The bucket in [0, 10,000), in hundredths of a per cent.

    The first four bytes of SHA-256 over the salt, a line feed and the key, as a big-endian number, modulo 10,000.
    `docs/routes.md` has the definition and its vectors for others who compute it.
    """
    digest = sha256(salt.encode() + b"\n" + key).digest()
    return int.from_bytes(digest[:4]) % ALL_BP


def place_of(
    cohort: Cohort,
    match: Match,
    facts: Facts,
    moment: Moment,
    policy: PathPolicy = STRICT_PATHS,
) -> Place:
    """The place of a request that a route takes by `match`: by its key, an id that is made for it, or the draw.

    `policy` is that of the route.
    """
    known_bp = moment.known.bucket_bp
    if known_bp is not None:
        return Place(known_bp, "cohort")
    found = key_of(cohort, match, facts, policy)
    if found is not None:
        return Place(bucket_of(cohort.salt, found[1]), "cohort")
    if cohort.keys[-1].generate:
        new_id = new_id_of(moment.bits)
        return Place(bucket_of(cohort.salt, new_id), "cohort", new_id)
    return Place(moment.draw_bp, "draw")


def key_of(
    cohort: Cohort, match: Match, facts: Facts, policy: PathPolicy = STRICT_PATHS
) -> tuple[HashKey, bytes] | None:
    """The first key that the request has, and its bytes as they were sent. An empty value is no key.

    A parameter is that of the path that goes on by `policy`, which is that of the route.
    """
    for key in cohort.keys:
        match key.kind:
            case "cookie":
                value = cookie_value(facts, key.name.encode())
            case "header":
                value = _header(facts, key.name.encode())
            case "path_parameter":
                value = _path_parameter(match, onward_path(facts.path, policy), key.name)
            case _:
                value = facts.client.encode()
        if value:
            return key, value
    return None


def cookie_value(facts: Facts, name: bytes) -> bytes:
    """The first value of a cookie that is not empty; empty without one."""
    return next(filter(None, values_of_cookie(facts.headers, name)), b"")


def _header(facts: Facts, name: bytes) -> bytes:
    if is_forwarding(name):  # A stranger could choose its bucket with what it writes (rule 14).
        return next(filter(None, values_that_pass(facts, name)), b"")
    for field, value in facts.headers:
        if field == name and value:
            return value
    return b""


def _path_parameter(match: Match, path: bytes, name: str) -> bytes:
    """The decoded segment of the path; empty if the match has no template with such a parameter."""
    position = parameter_position(match, name)
    segments = path.split(b"/")
    if position is None or position + 1 >= len(segments):
        return b""
    return unquote_to_bytes(segments[position + 1].partition(b";")[0])


def parameter_position(match: Match, name: str) -> int | None:
    """The index of the segment `{name}` in the template of a match."""
    path = match.path
    if path is None or path.kind != "template":
        return None
    segments = segments_of(path.value)
    parameter = f"{{{name}}}"
    return segments.index(parameter) if parameter in segments else None


def new_id_of(bits: int) -> bytes:
    """An id of 128 bits for a client without a key. A hash: `bits` also make the request's ids, which backends see."""
    return sha256(b"cohort id\n%x" % bits).hexdigest()[:32].encode()


def id_cookie(decision: Decision, facts: Facts) -> bytes | None:
    """The value of Set-Cookie that gives a client its id, if it has to get one."""
    cohort = decision.route.cohort
    if not decision.new_id or cohort is None:
        return None
    key = cohort.keys[-1]
    return facade_cookie(key.name, decision.new_id, key.ttl_s, facts)


def facade_cookie(name: str, value: bytes, ttl_s: float, facts: Facts) -> bytes:
    """The value of Set-Cookie for a cookie of the facade. `Secure` if the client's connection is."""
    secure = b"; Secure" if client_origin(facts)[0] == b"https" else b""
    return b"%b=%b; Path=/; Max-Age=%d; HttpOnly; SameSite=Lax%b" % (
        name.encode(),
        value,
        -(-ttl_s // 1),
        secure,
    )
