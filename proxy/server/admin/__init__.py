"""The application behind the admin listener: probes, metrics, the table in effect, explain."""
