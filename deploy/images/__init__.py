"""How the two programs, and the stand-in, become container images."""
