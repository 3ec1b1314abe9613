"""Direct tests of `proxy.routing`, without I/O."""
