"""What of the monolith is still used, from access logs (ADR 37). Pure."""
