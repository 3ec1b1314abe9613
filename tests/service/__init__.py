"""Tests of the service, on real PostgreSQL."""
