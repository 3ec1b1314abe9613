"""Secrets Manager and Parameter Store, and the database login that comes from them."""
