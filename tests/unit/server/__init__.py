"""Direct tests of `proxy.server`, without I/O."""
