"""What hostile peers get: a corpus of requests and responses, limits, and fuzzing against strict parsers."""
