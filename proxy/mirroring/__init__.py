"""Copies of requests to another backend, whose responses no client gets; and their comparison (rule 6, ADR 34).

In each worker:
CopySender       hands requests that are copied over, once their clients have the response
  CopiedExchange   one of them, observed as request and response stream by
  Outlet           the way to the mirror process, which never makes the worker wait

In the mirror process:
Inlet            reads what workers hand over, no faster than a share of CPU
CopyMaker
  Mirrors          makes copies, within the limits of their routes
    Lane             the copies of one route: its own connections, a limit of copies at a time, and a breaker
      Copy             one copied request, with the response that the client got, and that of the copy
  Comparisons      compares the two responses, in slices
  ParityBook       counts what copies show, and publishes it in shared memory

A process without a mirror process (the facade as a library) has a CopyMaker of its own instead of an Outlet.
"""
