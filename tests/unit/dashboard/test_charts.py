"""Charts as paths: inside their frame, whatever the numbers."""

import re

import pytest

from proxy.dashboard.charts import TRUNK_BOTTOM, TRUNK_TOP, area_path, line_path, slabs


def test_slabs_fill_the_trunk_and_the_fig_grows_from_both_sides() -> None:
    found = slabs([("list", 750.0, 20.0), ("rest", 250.0, 100.0)])
    assert found[0].y == TRUNK_TOP
    assert found[1].y + found[1].height == pytest.approx(TRUNK_BOTTOM, abs=0.1)
    assert found[0].height > found[1].height
    assert (found[0].fig, found[1].fig) == (14.0, 70.0)
    assert found[1].right == 90.0 + 70.0


def test_without_traffic_there_is_no_slab() -> None:
    assert slabs([]) == ()
    assert slabs([("list", 0.0, 0.0)]) == ()


@pytest.mark.parametrize("values", [[0, 0, 0], [1, 2, 3], [0, 1e12, 5]])
def test_a_line_stays_in_its_frame(values: list[float]) -> None:
    points = re.findall(r"([\d.]+) ([\d.]+)", line_path(values, 100.0, 20.0, 3.0))
    assert len(points) == 3
    assert all(0 <= float(x) <= 100 and 0 <= float(y) <= 20 for x, y in points)


def test_an_area_ends_at_the_ground() -> None:
    assert area_path([1, 2], 100.0, 20.0, 2.0) == "M0 20L0.0 10.0L100.0 0.0L100 20Z"


def test_one_value_is_no_line() -> None:
    assert line_path([1], 100.0, 20.0, 1.0) == ""
    assert area_path([1], 100.0, 20.0, 1.0) == ""
