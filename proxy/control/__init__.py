"""The table over time: watched, edited, recorded, replayed."""
