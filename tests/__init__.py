"""All tests. `tests.make` makes the values they are about."""
