"""docs/performance.svg: CPU a request and requests a second, as horizontal bars, on a logarithmic scale.

Greys and one blue that are legible on white and on black: an image does not know the theme of the page.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from tests.bench.contestants import CONTESTANTS
from tests.bench.report import Scenario

_WIDTH = 800
_ROW = 30
_TOP = 62
_BOTTOM = 34
_LABELS = 200
_BAR = 14
_TEXT, _LINE, _OURS, _OTHERS = "#77808a", "#77808a44", "#2f81f7", "#8b949e"
_FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"


@dataclass(frozen=True)
class Panel:
    """One figure of all contestants, between two x."""

    title: str
    figure: str
    left: int
    right: int

    def scale(self, values: Sequence[float]) -> tuple[int, int]:
        """The powers of ten below the smallest and at or above the largest value."""
        return math.floor(math.log10(min(values)) - 0.01), math.ceil(math.log10(max(values)))

    def x(self, value: float, low: int, high: int) -> float:
        """The x coordinate of a value."""
        return self.left + (math.log10(value) - low) / (high - low) * (self.right - self.left)


_PANELS = (
    Panel("CPU µs a request (less is better)", "cpu_us", _LABELS, 452),
    Panel("requests/s (more is better)", "per_second", 500, 752),
)


def drawn(scenario: Scenario, title: str) -> str:
    """The chart of one loaded scenario. A contestant without a response is left out: the scale is logarithmic."""
    scenario = {
        name: each for name, each in scenario.items() if each["cpu_us"] and each["per_second"]
    }
    names = sorted(scenario, key=lambda name: scenario[name]["cpu_us"])
    height = _TOP + _ROW * len(names) + _BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        f'height="{height}" role="img" font-family="{_FONT}" font-size="13" fill="{_TEXT}">',
        f"<title>{escape(title)}</title>",
        _text(0, 18, title, 'font-size="15" font-weight="600"'),
        *_labels(names),
    ]
    for panel in _PANELS:
        parts += _panel(panel, names, scenario, height)
    return "\n".join([*parts, "</svg>", ""])


def _labels(names: Sequence[str]) -> list[str]:
    shown = {each.name: each.shown for each in CONTESTANTS}
    return [
        _text(
            _LABELS - 10,
            _middle(row) + 4,
            shown.get(name, name),
            'text-anchor="end"' + (f' fill="{_OURS}" font-weight="600"' if _is_ours(name) else ""),
        )
        for row, name in enumerate(names)
    ]


def _panel(panel: Panel, names: Sequence[str], scenario: Scenario, height: int) -> list[str]:
    values = [scenario[name][panel.figure] for name in names]
    low, high = panel.scale(values)
    parts = [_text(panel.left, 46, panel.title, "")]
    for power in range(low, high + 1):
        x = panel.x(10.0**power, low, high)
        parts.append(
            f'<line x1="{x:.1f}" y1="{_TOP - 6}" x2="{x:.1f}" y2="{height - _BOTTOM}" stroke="{_LINE}"/>'
        )
        parts.append(
            _text(x, height - _BOTTOM + 18, f"{10**power:,}", 'text-anchor="middle" font-size="11"')
        )
    for row, (name, value) in enumerate(zip(names, values, strict=True)):
        x, colour = panel.x(value, low, high), _OURS if _is_ours(name) else _OTHERS
        parts.append(
            f'<rect x="{panel.left}" y="{_middle(row) - _BAR / 2:.1f}" width="{x - panel.left:.1f}" '
            f'height="{_BAR}" rx="2" fill="{colour}"/>'
        )
        parts.append(_text(x + 5, _middle(row) + 4, _number(value), 'font-size="12"'))
    return parts


def _middle(row: int) -> float:
    return _TOP + _ROW * row + _ROW / 2


def _is_ours(name: str) -> bool:
    return name.startswith("facade")


def _number(value: float) -> str:
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _text(x: float, y: float, text: str, attributes: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(text)}</text>'
