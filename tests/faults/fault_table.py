"""The fault table as text, for the page docs/fallback.md."""

from tests.faults.fault_run import FaultRun, Victim


def columns(victim: Victim) -> str:
    """The heading of the table for one victim."""
    return (
        f"| fault of the {victim} | method | requests | 200 by newcomer | 200 by incumbent | failed "
        "| newcomer got | incumbent got | sent twice | back after |"
    )


def rows(of: FaultRun) -> list[str]:
    """A row for each method."""
    return [
        _row(of, "GET", of.newcomer.reads, of.incumbent.reads),
        _row(of, "POST", of.newcomer.writes, of.incumbent.writes),
    ]


def _row(of: FaultRun, method: str, newcomer: int, incumbent: int) -> str:
    failed = ", ".join(f"{count} × {what}" for what, count in sorted(of.failures(method).items()))
    cells = (
        of.fault,
        method,
        len(of.of(method)),
        of.by(method, of.newcomer.name),
        of.by(method, of.incumbent.name),
        failed or "none",
        newcomer,
        incumbent,
        of.sent_twice if method == "POST" else "–",
        f"{of.recovered_s * 1000:.0f} ms, {of.probes} probes",
    )
    return f"| {' | '.join(map(str, cells))} |"
