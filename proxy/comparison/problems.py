"""Why a body cannot be compared: exceptions that stay within this package.

Unusable                 has `reason`, a word for the outcome
+-- NotComparable        a limit is exceeded: too large, too deep
+-- Undecodable          the content coding or the charset is not what the header says
+-- NotJson              the text is no JSON that every reader reads in the same way
"""

REASONS = {
    "too_large": "larger than what is compared",
    "too_deep": "nested too deeply",
    "unknown_coding": "in a content coding that is not known",
    "undecodable": "not in the content coding that its header names",
    "charset": "not in its charset",
    "not_json": "no JSON",
    "truncated": "JSON that ends early",
    "duplicate_key": "JSON with a key twice in one object",
    "not_a_number": "JSON with NaN or Infinity",
    "empty": "empty",
}
"""What a body is, in words for people."""


class Unusable(Exception):
    """A body cannot be used. `reason` is a key of `REASONS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(REASONS[reason])
        self.reason = reason


class NotComparable(Unusable):
    """A limit is exceeded."""


class Undecodable(Unusable):
    """The coding or the charset of a body is not what its header says."""


class NotJson(Unusable):
    """A text is no JSON, or JSON that readers read in different ways (RFC 8259 4 and 6)."""
