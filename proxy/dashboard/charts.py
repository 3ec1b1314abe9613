"""Charts as paths of SVG. Pure: numbers to text."""

from collections.abc import Sequence

from msgspec import Struct

TRUNK_TOP, TRUNK_BOTTOM, TRUNK_LEFT, TRUNK_WIDTH = 74.0, 296.0, 90.0, 140.0
_MIN_SLAB = 3.0


class Slab(Struct, frozen=True):
    """One route in the trunk: its height is its share of the traffic, its fig the part that has moved."""

    name: str
    y: float
    height: float
    fig: float
    """The width of the fig on either side of the trunk."""
    moved: float
    """Per cent."""

    @property
    def right(self) -> float:
        """Where the fig on the right begins."""
        return TRUNK_LEFT + TRUNK_WIDTH - self.fig


def slabs(shares: Sequence[tuple[str, float, float]]) -> tuple[Slab, ...]:
    """The trunk from its top: each route with its part of the traffic, and the per cent of it that have moved."""
    total = sum(part for _, part, _ in shares)
    if not total:
        return ()
    room = TRUNK_BOTTOM - TRUNK_TOP - _MIN_SLAB * len(shares)
    found, y = [], TRUNK_TOP
    for name, part, moved in shares:
        height = _MIN_SLAB + room * part / total
        fig = TRUNK_WIDTH / 2 * moved / 100
        found.append(Slab(name, round(y, 2), round(height, 2), round(fig, 2), moved))
        y += height
    return tuple(found)


def line_path(values: Sequence[float], width: float, height: float, top: float) -> str:
    """A line through all values. `top` is the value at the upper edge."""
    points = _points(values, width, height, top)
    return "M" + "L".join(points) if points else ""


def area_path(values: Sequence[float], width: float, height: float, top: float) -> str:
    """The area below the values."""
    points = _points(values, width, height, top)
    if not points:
        return ""
    return f"M0 {height:g}L{'L'.join(points)}L{width:g} {height:g}Z"


def _points(values: Sequence[float], width: float, height: float, top: float) -> list[str]:
    if len(values) < 2:
        return []
    step, scale = width / (len(values) - 1), height / max(top, 1e-9)
    return [
        f"{at * step:.1f} {height - min(value * scale, height):.1f}"
        for at, value in enumerate(values)
    ]
