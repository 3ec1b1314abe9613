"""Direct tests of `proxy.upstream`, without I/O."""
