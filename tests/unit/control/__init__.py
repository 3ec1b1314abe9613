"""Direct tests of `proxy.control`, without I/O."""
