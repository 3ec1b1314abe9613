"""Direct tests of `proxy.forwarding`, without I/O."""
