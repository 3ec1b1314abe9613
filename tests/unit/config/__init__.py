"""Direct tests of `proxy.config`, without I/O."""
