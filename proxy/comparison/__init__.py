"""Compares two responses of a route, and adds the results up to the parity of the route. Pure: no I/O, no clock.

`Observation` is one response, `Comparison` compares two of them in short slices, `Parity` counts the outcomes.
"""
