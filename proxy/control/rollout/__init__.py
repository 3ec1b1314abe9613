"""Rollouts: the steps of a route, each an edit of the table, and the analysis between them."""
