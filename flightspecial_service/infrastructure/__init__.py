"""PostgreSQL, and nothing above it knows that."""
