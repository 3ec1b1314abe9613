"""The health of endpoints in running processes (ADR 25).

HealthMonitor    in one process: sends the probes, reads the outcomes of requests, publishes the states
HealthFollower   in each worker: applies the published states to the worker's upstreams
"""
