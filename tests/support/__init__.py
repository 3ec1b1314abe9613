"""Helpers that tests of all kinds share. Nothing in here tests the product.

A facade is started in one of three ways:

    facade_in_loop.facade_in_loop       in the test's own event loop
    facade_in_thread.facade_in_thread   in a thread, for a test that blocks
    facade_process.facade_process       as a process, for signals, memory and descriptors

Beside these: `origin` (servers that run a script, on `accepted`), `wire` (one connection, byte by byte),
`raw_response`, `certificates`, `process` (any program that listens), `procfs`, `ports`, `waiting`, `browser`, and
`imports` of source files.

Kept elsewhere on purpose: tests/hostile has an origin and a client with threads and sockets of their own, because
they also test other proxies; tests/bench has an origin and a load that are as cheap as Python allows.
"""
