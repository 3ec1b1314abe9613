"""Direct tests of `proxy.downstream`, without I/O."""
