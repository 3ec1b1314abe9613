"""The forms of the dashboard as edits of the table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qs

from msgspec import Struct

from proxy.control.edit_transaction import Edit, EditRequest, EditResult, perform
from proxy.control.edits.operations import Consent, read_stage, read_weight, read_weights
from proxy.control.history.entries import ROLLBACK
from proxy.control.rollout import commands
from proxy.control.rollout.commands import Command
from proxy.control.rollout.writer import ACTION as ROLLOUT_ACTION
from proxy.control.table_edits import (
    KILL_SWITCH,
    kill_edit,
    resume_edit,
    rollback_edit,
    shift_edit,
    stage_edit,
)
from proxy.control.text_diff import is_one_line
from proxy.errors import EditError

_MAX_FIELDS = 200
ROLLOUT: Mapping[str, Command] = {
    "rollout pause": commands.pause,
    "rollout resume": commands.resume,
    "rollout promote": commands.promote,
    "rollout abort": commands.abort,
}
ACTIONS = ("shift", "stage", ROLLBACK, KILL_SWITCH, "resume", *ROLLOUT)
_OF_WHOLE_TABLES = (KILL_SWITCH, "resume", *ROLLOUT)
"""Edits for which one route of the text is not enough."""


class Form(Struct, frozen=True):
    """The fields of a form. `fields` has all of them, to send them again with the confirmation."""

    action: str
    route: str
    who: str
    reason: str
    version: str
    """The version of the table that the diff was shown for; empty before."""
    token: str
    fields: tuple[tuple[str, str], ...]

    def all_of(self, name: str) -> list[str]:
        return [value for each, value in self.fields if each == name]

    def one(self, name: str) -> str:
        """The value of a field; empty without it."""
        values = self.all_of(name)
        return values[-1].strip() if values else ""


def read_form(body: bytes) -> Form:
    """Raises EditError for a body that is no form of the dashboard."""
    try:
        fields = parse_qs(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            max_num_fields=_MAX_FIELDS,
            errors="strict",
        )
    except (ValueError, UnicodeError):
        raise EditError("this is no form of the dashboard: open the page again") from None
    pairs = tuple((name, value) for name, values in fields.items() for value in values)
    kept = tuple(pair for pair in pairs if pair[0] not in ("form_token", "version"))
    one = dict(reversed(pairs))
    return Form(
        one.get("action", ""),
        one.get("route", ""),
        one.get("who", "").strip(),
        one.get("reason", "").strip(),
        one.get("version", ""),
        one.get("form_token", ""),
        kept,
    )


def check_edit(form: Form, *, is_confirmed: bool) -> None:
    """Raises EditError with all that is missing in a form."""
    faults = []
    if form.action not in ACTIONS:
        faults.append("choose one of the actions of the page")
    for text, name in ((form.who, "your name"), (form.reason, "a reason")):
        if not text:
            faults.append(f"write {name}: the history keeps it")
        elif not is_one_line(text):
            faults.append(f"write {name} as one line of at most 500 characters")
    if is_confirmed and not form.version:
        faults.append("look at the change first")
    if faults:
        raise EditError("\n".join(faults))


def edit_of(form: Form, shown: str) -> Edit:
    """The edit that a form asks for. Raises EditError."""
    consent = Consent(form.one("force") == "yes", form.reason)
    if form.action == "shift":
        return shift_edit(form.route, _weights(form), consent)
    if form.action == "stage":
        weight = form.one("stage_weight")
        weight_bp = read_weight(weight) if weight else None
        return stage_edit(form.route, read_stage(form.one("stage")), weight_bp, consent)
    if form.action == ROLLBACK:
        return rollback_edit(form.route)
    if form.action in ROLLOUT:
        return commands.command_edit(form.route, ROLLOUT[form.action])
    return kill_edit(shown) if form.action == KILL_SWITCH else resume_edit()


def _weights(form: Form) -> Mapping[str, int]:
    names, weights = form.all_of("backend"), form.all_of("weight")
    return read_weights([f"{name}={weight.strip()}" for name, weight in _paired(names, weights)])


def _paired(names: Sequence[str], weights: Sequence[str]) -> list[tuple[str, str]]:
    if len(names) != len(weights):
        raise EditError("each backend needs one weight")
    return list(zip(names, weights, strict=True))


def make_edit(path: Path, form: Form, client: str, now: float, *, dry_run: bool) -> EditResult:
    """Make the edit, or show it. Blocks. Raises FacadeError or OSError; nothing was written then."""
    request = EditRequest(
        ROLLOUT_ACTION if form.action in ROLLOUT else form.action,
        f"{form.who} (dashboard, {client})",
        now,
        form.reason,
        form.version,
        dry_run,
        may_skip_history=form.action == KILL_SWITCH,
        route="" if form.action in _OF_WHOLE_TABLES else form.route,
    )
    return perform(path, request, edit_of(form, path.name))
