"""The dashboard of the admin listener: what the traffic of a migration does, and its edits (ADR 35)."""
