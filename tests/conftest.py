"""For all tests: settings of property tests, and what of a test is traced."""

import sys
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

# No test asserts a time, and a busy machine is no defect.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """A property test is not traced: Hypothesis would be, too, at twice the cost.

    So the coverage of the core depends on no random example: each branch has a test that always runs it.
    """
    if item.get_closest_marker("hypothesis") is None:
        return (yield)
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(tracer)
