"""The blocks of a file, one pydantic model each: the long form, types and rules of each block."""
