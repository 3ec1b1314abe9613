"""A defect of ours in a copy is logged with its traceback and counted; requests and later copies go on."""

from pathlib import Path

import pytest

from proxy.comparison.comparer import Comparer
from proxy.mirroring.exchange import observe
from proxy.telemetry.mirror_counters import RouteCopies
from tests.integration.mirror_site import site
from tests.support.origin import ok, responding

COMPARE = "mirror: {max_concurrency: 1000, compare: {status: exact}}"


class Defects:
    """Fails the first time it is called, and passes on after that."""

    def __init__(self, function: object) -> None:
        self.function = function
        self.left = 1

    def called(self, *arguments: object, **more: object) -> object:
        if self.left:
            self.left -= 1
            raise RuntimeError("a defect")
        assert callable(self.function)
        return self.function(*arguments, **more)


@pytest.mark.parametrize("place", ["comparison", "copy"])
async def test_a_defect_is_logged_and_counted_and_the_next_copy_is_compared(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if place == "comparison":
        begin = Defects(Comparer.begin)
        monkeypatch.setattr(Comparer, "begin", lambda *args, **more: begin.called(*args, **more))
    else:
        monkeypatch.setattr("proxy.mirroring.mirrors.observe", Defects(observe).called)
    old = responding(ok(b"[1]", b"content-type: application/json"))
    new = responding(ok(b"[1]", b"content-type: application/json"))
    async with site(tmp_path, more=COMPARE, legacy=old, new=new) as at:
        assert (await at.facade.get("/1")).endswith(b"[1]")
        await at.counted(RouteCopies(1, 0, 0, 0, 0, {"internal": 1}))
        assert (await at.facade.get("/2")).endswith(b"[1]")
        await at.counted(RouteCopies(2, 0, 1, 1, 0, {"internal": 1}))
    assert "RuntimeError: a defect" in caplog.text
