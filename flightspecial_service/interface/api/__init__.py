"""The API: its operations, schemas and routes."""
