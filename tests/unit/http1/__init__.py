"""Direct tests of `proxy.http1`, without I/O."""
