"""The health of endpoints, pure: probes, outlier detection, panic and slow start. Time is an argument (ADR 25)."""
