"""The replicas of this facade as rows of the page. Pure."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from proxy.control.text_diff import shorten
from proxy.dashboard.replica_report import ReplicaReport, WorkerTable

_MAX_PLACE = 100
_MAX_REASON = 200


class Found(Struct, frozen=True):
    """An address, and what it sent: a report, or why there is none."""

    place: str
    report: ReplicaReport | None
    reason: str = ""


class ReplicaRow(Struct, frozen=True):
    """A replica on the page. `note` says what is to be known of it; `is_bad` marks the note."""

    place: str
    host: str
    version: str
    since: str
    workers: str
    note: str
    is_bad: bool


def replica_rows(found: Iterable[Found], own: ReplicaReport) -> list[ReplicaRow]:
    """One row for each replica, also if it has several addresses; this one first. Its own row is `own`."""
    reports: dict[str, Found] = {}
    silent = []
    for each in found:
        if each.report is None:
            silent.append(_silent_row(each))
        else:
            reports.setdefault(each.report.replica, each)
    here = reports.pop(own.replica, None)
    place = "" if here is None else here.place
    others = [
        _row(each.place, each.report, own.table_version)
        for each in reports.values()
        if each.report is not None
    ]
    return [_own_row(place, own), *others, *silent]


def _own_row(place: str, own: ReplicaReport) -> ReplicaRow:
    row = _row(place or "–", own, own.table_version)
    note = "this one" if place else "this one; it is not among the addresses of --replicas"
    faults = _faults(own)
    return replace(row, note="; ".join([note, *faults]), is_bad=bool(faults))


def _row(place: str, report: ReplicaReport, own_version: str) -> ReplicaRow:
    notes = _faults(report)
    if report.table_version != own_version:
        notes = ["its table differs from this one's", *notes]
    return ReplicaRow(
        shorten(place, _MAX_PLACE),
        shorten(report.host, _MAX_PLACE),
        shorten(report.table_version, _MAX_PLACE),
        _instant(report.loaded_at),
        _workers(report.workers),
        "; ".join(notes) or "same table",
        bool(notes),
    )


def _faults(report: ReplicaReport) -> list[str]:
    """What is wrong with a replica whatever the others serve."""
    faults = [
        f"worker {number} still has {shorten(worker.table, _MAX_PLACE)}"
        for number, worker in enumerate(report.workers, 1)
        if worker.table not in ("", report.table_version)
    ]
    return faults if report.last_reload_ok else [*faults, "its newest edit is refused"]


def _workers(workers: Sequence[WorkerTable]) -> str:
    serving = sum(each.state == "serving" for each in workers)
    return f"{serving} of {len(workers)} serving"


def _silent_row(found: Found) -> ReplicaRow:
    reason = shorten(found.reason, _MAX_REASON)
    note = f"not reachable: {reason}"
    return ReplicaRow(shorten(found.place, _MAX_PLACE), "", "", "", "", note, True)


def _instant(seconds: float) -> str:
    """In UTC, as ISO 8601."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
