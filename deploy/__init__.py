"""Everything that puts the system somewhere."""
