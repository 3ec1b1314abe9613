"""HTTP: what a request asks becomes a use case, what comes of it becomes an answer."""
