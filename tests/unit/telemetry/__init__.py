"""Direct tests of `proxy.telemetry`, without I/O."""
