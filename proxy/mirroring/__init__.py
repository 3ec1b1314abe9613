"""Copies of requests to another backend, whose responses no client gets; and their comparison (rule 6, ADR 33).

Mirrors        in each worker: begins copies, within the limits of their routes
  Lane           the copies of one route: its own connections, and a limit of copies at a time
    Copy           one copied request: the response that the client gets, as it streams by, and the response of the copy
Comparisons    compares the two responses, in slices between the requests of clients
"""
