"""The side of clients: an HTTP/1.1 server that knows no routes."""
