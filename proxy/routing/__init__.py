"""Routing: the facts of a request, its route, and the decision about it. Pure."""
