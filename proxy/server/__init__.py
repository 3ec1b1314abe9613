"""Processes: settings, wiring, sockets, workers and their supervisor, probes."""
