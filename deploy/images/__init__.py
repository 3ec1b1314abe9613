"""Container images of the two programs and of the stand-in."""
