"""Header rules of both directions, rewrites and their inverse, trace context. Pure."""
