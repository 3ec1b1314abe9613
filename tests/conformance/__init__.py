"""One suite over both tiers: bytes in on one side, bytes out on the other. docs/protocol.md lists it."""
