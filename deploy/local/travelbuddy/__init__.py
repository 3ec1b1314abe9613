"""A stand-in for TravelBuddy, the monolith: answers as the original does on the wire, and has none of its code.

A demonstration part. Where the real monolith runs, its URL takes this one's place.
"""
