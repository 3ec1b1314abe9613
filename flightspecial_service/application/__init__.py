"""Use cases. Each is a function; queries read, commands write."""
