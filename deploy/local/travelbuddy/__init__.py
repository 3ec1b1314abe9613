"""A stand-in for TravelBuddy, the monolith: its responses are those of the original, and it has none of its code.

For demonstrations. With the real monolith, use its URL instead.
"""
