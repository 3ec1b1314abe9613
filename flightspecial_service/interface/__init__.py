"""The HTTP interface: requests become use cases, their results become responses."""
