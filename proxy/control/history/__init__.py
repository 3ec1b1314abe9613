"""The recorded history beside the table: a chain of hashes."""
