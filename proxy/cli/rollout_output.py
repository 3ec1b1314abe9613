"""The output of `facade rollout`: live on a terminal, plain lines elsewhere, or JSON."""

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

import msgspec

from proxy.analysis.verdicts import MetricVerdict
from proxy.cli.output import err, out, safe
from proxy.control.changes import state_of, state_text
from proxy.control.rollout.events import Event, Progress
from proxy.control.rollout.machine import Look, step_text
from proxy.control.rollout.state import TableState

if TYPE_CHECKING:
    from rich.live import Live

_PROGRESS_S = 60.0


class _Observer:
    """An observer that is closed at the end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None

    def progress(self, progress: Progress) -> None:
        """Nothing, unless it is shown live."""

    def warn(self, text: str) -> None:
        err().line(f"facade: {safe(text)}")


class JsonObserver(_Observer):
    """One object a line. Reasons go to standard error."""

    def event(self, event: Event, text: str) -> None:
        out().write(msgspec.json.encode(event).decode() + "\n")
        if event.event in ("paused", "rolled_back", "aborted"):
            self.warn(text)


class LineObserver(_Observer):
    """One line for each event, and the metrics of a verdict."""

    def event(self, event: Event, text: str) -> None:
        screen = out()
        screen.line(
            f"{event.at}  {event.event:<11}  {_where(event.stage, event.weight)}  {safe(text)}"
        )
        if event.event in ("verdict", "rolled_back"):
            for metric in event.metrics:
                screen.line(f"    {metric_text(metric)}")


class LiveObserver(LineObserver):
    """Events as lines, and below them the step with its figures, its bounds and the time that is left."""

    def __init__(self) -> None:
        self._live: Live | None = None

    def __enter__(self) -> Self:
        from rich.console import Console  # Takes 60 ms, and only a terminal needs it.
        from rich.live import Live

        console = Console(file=sys.stdout, no_color=not out().has_colour, highlight=False)
        self._live = Live(console=console, refresh_per_second=4, transient=True)
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def event(self, event: Event, text: str) -> None:
        if event.event != "verdict":
            super().event(event, text)

    def progress(self, progress: Progress) -> None:
        from rich.text import Text

        if self._live is not None:
            self._live.update(Text("\n".join(progress_lines(progress))))


def progress_lines(progress: Progress) -> list[str]:
    """The step, the time that is left, and the figures of both sides."""
    left = "" if progress.left_s is None else f", {max(0, round(progress.left_s))} s left"
    lines = [f"{progress.step}: {_where(progress.stage, progress.weight)}{left}"]
    look: Look | None = progress.look
    if look is None:
        return [*lines, "    no figures yet"]
    if look.missing:
        lines.append(f"    incomplete: {safe(look.missing)}")
    return [*lines, *(f"    {metric_text(metric)}" for metric in look.metrics)]


def metric_text(metric: MetricVerdict) -> str:
    """`success_rate  new 0.9990 [0.9950, 0.9999]  legacy 0.9995  passed`."""
    bounds = f"[{_number(metric.lower_bound)}, {_number(metric.upper_bound)}]"
    return (
        f"{metric.name:<14}  new {_number(metric.new)} {bounds}  legacy {_number(metric.legacy)}  "
        f"{metric.verdict}"
    )


def print_status(state: TableState, name: str, *, as_json: bool) -> None:
    """How far a rollout is."""
    route, mark = state.route(name), state.mark(name)
    if as_json:
        body = {
            "route": name,
            "stage": route.stage,
            "event": None if mark is None else mark.event,
            "step": None if mark is None else mark.step + 1,
            "steps": 0 if route.rollout is None else len(route.rollout.steps),
            "reason": state.reason(name),
        }
        out().line(msgspec.json.encode(body).decode())
        return
    out().line(f"{safe(name)}: {state_text(state_of(route))}")
    if route.rollout is None:
        out().line("it has no rollout")
    elif mark is None:
        out().line(f"its rollout of {len(route.rollout.steps)} steps has not begun")
    else:
        out().line(f"{mark.event.replace('_', ' ')}: {safe(state.reason(name))}")
        out().line(f"next: {step_text(route.rollout, mark.step)}")


def _where(stage: str | None, weight: float | None) -> str:
    return f"{stage or '-'} {'-' if weight is None else f'{weight:g} %'}"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if value < 10 else f"{value:.1f}"
