"""HTTP/1.1 messages: parsers and writers of both directions. Pure (ADR 10)."""
