"""What hostile peers get: a corpus of requests and answers, limits, and fuzzing against strict parsers."""
