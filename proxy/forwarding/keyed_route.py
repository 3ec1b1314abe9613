"""Routes of which the fields of a request choose the reference, prepared (ADR 21)."""

from msgspec import Struct

from proxy.forwarding.forwarder import Forwarder
from proxy.forwarding.prepared_route import (
    TO_THE_GENERAL_WAY,
    Choices,
    PreparedRoute,
    choices_by_bucket,
    prepared_choices,
)
from proxy.forwarding.read_fields import SeenFields
from proxy.model import Cohort, Facts, MatchedRoute
from proxy.routing.cohort import bucket_of, key_of
from proxy.routing.decide import fixed_choice
from proxy.routing.snapshot import Snapshot
from proxy.routing.transforms.facade_fields import is_forwarding


class KeyedRoute(Struct, frozen=True, eq=False):
    """A route of which the fields of a request may choose the reference: a key (rule 3), an override, a last write."""

    matched: MatchedRoute
    cohort: Cohort | None
    """None where no key decides."""
    by_key: Choices
    by_draw: Choices
    """For a request without a key. It goes the general way if it gets an id."""
    by_fields: bool
    """The keys are cookies and headers, so what is known of a request's fields has its bucket."""

    def choose(
        self, facts: Facts, seen: SeenFields, draw_bp: int
    ) -> tuple[PreparedRoute | None, int]:
        """The prepared route and the bucket of a request. As `routing.decide` does it."""
        cohort = self.cohort
        if seen.chooses:
            return None, draw_bp
        if cohort is None:
            return _at(self.by_draw, draw_bp), draw_bp
        bucket_bp = seen.bucket_bp
        if seen.cohort != cohort.name:
            key = self._key(cohort, facts, seen)
            if not key:
                return _at(self.by_draw, draw_bp), draw_bp
            bucket_bp = bucket_of(cohort.salt, key)
            if self.by_fields:
                seen.cohort, seen.bucket_bp = cohort.name, bucket_bp
        return _at(self.by_key, bucket_bp), bucket_bp

    def _key(self, cohort: Cohort, facts: Facts, seen: SeenFields) -> bytes:
        """Empty for a request without a key."""
        if seen.key and self.by_fields:
            return seen.key
        found = key_of(cohort, self.matched.match, facts)
        return b"" if found is None else found[1]


def keyed_route(
    forwarder: Forwarder, snapshot: Snapshot, matched: MatchedRoute, method: str
) -> KeyedRoute | None:
    """None for a route of which the fields of requests choose nothing."""
    route = matched.route
    if method == "OPTIONS" and snapshot.has_cors:
        return None
    cohort, is_fixed = route.cohort, fixed_choice(snapshot.table, route) is not None
    if (cohort is None or is_fixed) and route.override is None:
        return None
    if cohort is None or is_fixed:
        drawn = prepared_choices(forwarder, snapshot, matched, method)
        return KeyedRoute(matched, None, drawn, drawn, False)
    by_draw = TO_THE_GENERAL_WAY
    if not cohort.keys[-1].generate:
        by_draw = choices_by_bucket(forwarder, snapshot, matched, method, "draw")
    by_key = choices_by_bucket(forwarder, snapshot, matched, method, "cohort")
    by_fields = all(
        key.kind == "cookie" or (key.kind == "header" and not is_forwarding(key.name.encode()))
        for key in cohort.keys
    )
    return KeyedRoute(matched, cohort, by_key, by_draw, by_fields)


def _at(choices: Choices, bucket_bp: int) -> PreparedRoute | None:
    for edge_bp, prepared in choices:
        if bucket_bp < edge_bp:
            return prepared
    return None
