"""Use cases: queries read, commands write (docs/cqrs.md). Each is a function."""
