"""The entries of a history: the hash chain, its bounds, and the state that a rollback restores."""

import base64
import zlib
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from proxy.config.reader import MAX_BYTES
from proxy.control.changes import Changes, RouteChange, RouteState
from proxy.control.history.entries import (
    BY_HAND,
    FOUND,
    NOT_CARRIED_OUT,
    ROLLBACK,
    Entry,
    HistoryBounds,
    HistoryScan,
    NewEntry,
    carried_out,
    chained,
    earlier_state,
    first_number,
    line_of,
    read_entry,
    read_history,
    read_truncation,
    shortened,
    table_of,
    version_of,
    with_version,
)

NOW = 1_800_000_000.0
Tamper = Callable[[list[bytes]], list[bytes]]


def chain(*steps: tuple[str, int, int]) -> list[Entry]:
    """Entries of `(action, weight before, weight after)` for route `r`; the table is the weight as text."""
    entries: list[Entry] = []
    for action, before, after in steps:
        states = [RouteState("canary", {"legacy": 100 - w, "new": w}) for w in (before, after)]
        changes = Changes(routes=(RouteChange("r", *states),))
        last = entries[-1] if entries else None
        entries.append(chained(NewEntry("alice", action, changes, b"%d" % after), last, NOW))
    return entries


def shifts(count: int) -> list[Entry]:
    return chain(*(("shift", number, number + 1) for number in range(count)))


def file_of(entries: list[Entry]) -> bytes:
    return b"".join(map(line_of, entries))


def edited(position: int, change: Callable[[bytes], bytes]) -> Tamper:
    def tamper(lines: list[bytes]) -> list[bytes]:
        return [*lines[:position], change(lines[position]), *lines[position + 1 :]]

    return tamper


# --- one entry --------------------------------------------------------------------------------


def test_the_first_entry_has_number_1_and_no_version_before() -> None:
    changes = Changes(other=("tests",))
    entry = chained(NewEntry("alice", FOUND, changes, b"text", "because"), None, NOW)
    assert (entry.number, entry.previous, entry.version_before) == (1, "", None)
    assert (entry.who, entry.action, entry.reason) == ("alice", FOUND, "because")
    assert (entry.time, entry.changes) == ("2027-01-15T08:00:00Z", changes)
    assert entry.version_after == version_of(b"text")
    assert table_of(entry) == b"text"


def test_an_entry_continues_the_one_before() -> None:
    first, second, third = shifts(3)
    assert (second.number, third.number) == (2, 3)
    assert (second.previous, third.previous) == (first.hash, second.hash)
    assert second.version_before == first.version_after
    assert len({first.hash, second.hash, third.hash}) == 3


def test_an_entry_is_read_from_its_line() -> None:
    (entry,) = shifts(1)
    line = line_of(entry)
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert read_entry(line) == entry


@pytest.mark.parametrize(
    "line", [b"", b"{", b"{}", b"[]", b"\xff", b'{"number": "\xff"}', b'{"begins_at": 1}']
)
def test_other_lines_are_neither_an_entry_nor_a_truncation(line: bytes) -> None:
    assert read_entry(line) is None
    assert read_truncation(line) is None


def test_a_version_has_twelve_hexadecimal_digits() -> None:
    assert version_of(b"") == "e3b0c44298fc"


def packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


@pytest.mark.parametrize(
    ("table", "why"),
    [
        pytest.param("x", "base64", id="no base64"),
        pytest.param("ä", "ASCII", id="no ASCII"),
        pytest.param(base64.b64encode(b"text").decode(), "incorrect header", id="not compressed"),
        pytest.param(packed(b"other"), "do not have the version", id="another table"),
        pytest.param(packed(b"")[:-8], "do not have the version", id="cut short"),
        pytest.param(
            packed(b"x" * (MAX_BYTES + 1)), "do not have the version", id="larger than a table"
        ),
    ],
)
def test_a_damaged_table_in_an_entry_is_refused(table: str, why: str) -> None:
    entry = chained(NewEntry("alice", "shift", Changes(), b"x" * (MAX_BYTES + 1)), None, NOW)
    with pytest.raises(ValueError, match=why):
        table_of(replace(entry, table=table))


# --- the chain --------------------------------------------------------------------------------


def test_a_complete_chain_is_read_whole() -> None:
    entries = shifts(4)
    assert read_history(file_of(entries)) == HistoryScan(tuple(entries))
    assert read_history(b"") == HistoryScan()


@pytest.mark.parametrize(
    ("tamper", "line", "fault"),
    [
        pytest.param(
            edited(1, lambda x: x.replace(b"alice", b"mallo")), 2, "changed after", id="a name"
        ),
        pytest.param(
            edited(0, lambda x: x.replace(b":[]", b": []", 1)), 1, "changed after", id="a space"
        ),
        pytest.param(
            edited(2, lambda x: x.replace(b'"new":3', b'"new":4')), 3, "changed after", id="weight"
        ),
        pytest.param(edited(1, lambda _: b"{}"), 2, "no entry", id="an empty object"),
        pytest.param(
            edited(1, lambda x: x[:-1] + b',"x":1}'), 2, "no entry", id="an additional field"
        ),
        pytest.param(
            lambda lines: [lines[0], *lines[2:]], 2, "does not follow", id="a line removed"
        ),
        pytest.param(lambda lines: lines[1:], 1, "missing", id="the first line removed"),
        pytest.param(
            lambda lines: [lines[0], lines[2], lines[1], lines[3]], 2, "does not follow", id="order"
        ),
        pytest.param(lambda lines: [*lines, lines[-1]], 5, "does not follow", id="a line twice"),
    ],
)
def test_a_chain_that_was_changed_is_broken_at_that_line(
    tamper: Tamper, line: int, fault: str
) -> None:
    lines = file_of(shifts(4)).splitlines()
    scan = read_history(b"".join(each + b"\n" for each in tamper(lines)))
    assert scan.broken_at == line
    assert fault in scan.fault


def test_only_the_first_break_of_a_chain_is_reported() -> None:
    lines = file_of(shifts(4)).splitlines()
    del lines[2], lines[0]
    scan = read_history(b"\n".join(lines))
    assert (scan.broken_at, scan.fault) == (1, "entries before it are missing")
    assert [entry.number for entry in scan.entries] == [2, 4]


def test_a_forged_entry_with_a_valid_hash_breaks_the_chain_after_it() -> None:
    first, second, third = shifts(3)
    forged = chained(NewEntry("mallory", "shift", second.changes, table_of(second)), first, NOW)
    assert read_history(file_of([first, forged, third])).broken_at == 3


def test_an_entry_with_a_wrong_number_and_a_valid_hash_breaks_the_chain() -> None:
    first, second = shifts(2)
    new = NewEntry("mallory", "shift", second.changes, table_of(second))
    skipped = chained(new, replace(first, number=2), NOW)
    assert (skipped.previous, skipped.number) == (first.hash, 3)
    assert read_history(file_of([first, skipped])).broken_at == 2


@pytest.mark.parametrize("length", [1, 30, 200, -2])
def test_a_line_that_a_crash_cut_short_does_not_break_the_chain(length: int) -> None:
    first, second = shifts(2)
    torn = line_of(second)[:-1][:length]
    scan = read_history(line_of(first) + torn + b"\n\n" + line_of(second))
    assert (scan.entries, scan.torn, scan.broken_at) == ((first, second), (2,), 0)


# --- bounds -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "size", "passed"),
    [(10, 100, False), (12, 125, False), (13, 0, True), (0, 126, True), (13, 126, True)],
)
def test_a_history_may_grow_by_a_quarter_beyond_its_bounds(
    entries: int, size: int, passed: bool
) -> None:
    assert HistoryBounds(10, 100).passed_by(entries, size) is passed


@pytest.mark.parametrize(
    ("bounds", "left"),
    [
        (HistoryBounds(3, 1_000_000), [6, 7, 8]),
        (HistoryBounds(1, 1), [7, 8]),
        (HistoryBounds(100, 1_000_000), [1, 2, 3, 4, 5, 6, 7, 8]),
    ],
)
def test_the_newest_entries_are_kept_and_at_least_two(
    bounds: HistoryBounds, left: list[int]
) -> None:
    once = shortened(file_of(shifts(8)), bounds)
    scan = read_history(once)
    assert [entry.number for entry in scan.entries] == left
    assert (scan.broken_at, scan.begins_at) == (0, left[0])
    assert first_number(once) == left[0]
    assert (once == file_of(shifts(8))) is (left[0] == 1)
    assert shortened(once, bounds) == once


def test_the_bound_of_bytes_holds_too() -> None:
    entries = shifts(8)
    size = len(file_of(entries[-3:]))
    for bound, left in ((size, [6, 7, 8]), (size - 1, [7, 8])):
        scan = read_history(shortened(file_of(entries), HistoryBounds(100, bound)))
        assert [entry.number for entry in scan.entries] == left


def test_a_torn_line_among_the_newest_stays_and_counts_for_no_entry() -> None:
    entries = shifts(8)
    text = file_of(entries[:7]) + b'{"torn\n' + file_of(entries[7:])
    scan = read_history(shortened(text, HistoryBounds(3, 1_000_000)))
    assert ([entry.number for entry in scan.entries], scan.torn) == ([6, 7, 8], (4,))


@pytest.mark.parametrize("text", [b"", b"\n", b'{"torn\n'])
def test_a_file_without_an_entry_stays_as_it_is(text: bytes) -> None:
    assert shortened(text, HistoryBounds(1, 1)) == text


def test_a_broken_chain_is_kept_whole_as_evidence() -> None:
    text = file_of(shifts(8)).replace(b"alice", b"mallo", 1)
    assert shortened(text, HistoryBounds(3, 1_000_000)) == text


@pytest.mark.parametrize(
    ("tamper", "line"),
    [
        pytest.param(lambda lines: lines[1:], 1, id="the truncation removed"),
        pytest.param(lambda lines: [lines[0], *lines[2:]], 2, id="the first entry removed"),
        pytest.param(edited(0, lambda x: x.replace(b":6,", b":7,")), 2, id="another number"),
        pytest.param(
            edited(0, lambda x: x.replace(b'previous":"', b'previous":"0')), 2, id="another hash"
        ),
        pytest.param(lambda lines: [lines[1], lines[0], *lines[2:]], 1, id="the truncation moved"),
        pytest.param(lambda lines: [lines[0], *lines], 2, id="the truncation twice"),
    ],
)
def test_a_shortened_history_that_was_changed_is_broken(tamper: Tamper, line: int) -> None:
    lines = shortened(file_of(shifts(8)), HistoryBounds(3, 1_000_000)).splitlines()
    assert read_history(b"\n".join(lines)).broken_at == 0
    assert read_history(b"\n".join(tamper(lines))).broken_at == line


def test_the_number_of_the_first_entry_is_read_from_the_first_bytes() -> None:
    assert first_number(b"") == 1
    assert first_number(line_of(shifts(1)[0])[:20]) == 1
    text = shortened(file_of(shifts(8)), HistoryBounds(3, 1_000_000))
    assert first_number(text[: text.index(b"\n") + 20]) == 6


# --- changes that took effect -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("actions", "numbers"),
    [
        ([], []),
        (["shift", "shift"], [1, 2]),
        (["shift", NOT_CARRIED_OUT], []),
        (["shift", "shift", NOT_CARRIED_OUT, "shift"], [1, 4]),
        ([NOT_CARRIED_OUT, "shift"], [2]),
    ],
)
def test_an_edit_that_was_not_carried_out_took_no_effect(
    actions: list[str], numbers: list[int]
) -> None:
    entries = chain(*((action, 1, 2) for action in actions))
    assert [entry.number for entry in carried_out(entries)] == numbers


@pytest.mark.parametrize(
    ("steps", "back_to"),
    [
        ([], None),
        ([("shift", 5, 20)], 5),
        ([("shift", 5, 20), (BY_HAND, 20, 40)], 20),
        ([("shift", 5, 20), ("shift", 20, 40), (ROLLBACK, 40, 20)], 5),
        ([("shift", 5, 20), ("shift", 20, 40), (ROLLBACK, 40, 20), (ROLLBACK, 20, 5)], None),
        ([("shift", 5, 20), (ROLLBACK, 20, 5), ("shift", 5, 7)], 5),
        ([("shift", 5, 20), (ROLLBACK, 20, 5), ("revert", 5, 20)], 5),
        ([("shift", 5, 20), ("shift", 20, 40), (NOT_CARRIED_OUT, 40, 20)], 5),
        ([("shift", 5, 20), (ROLLBACK, 20, 5), (NOT_CARRIED_OUT, 5, 20)], 5),
    ],
)
def test_a_rollback_goes_one_state_further_back_and_never_forward(
    steps: list[tuple[str, int, int]], back_to: int | None
) -> None:
    state = earlier_state(chain(*steps), "r")
    assert (None if state is None else state.weights["new"]) == back_to
    assert earlier_state(chain(*steps), "other") is None


def test_a_rollback_whose_shift_was_dropped_restores_nothing() -> None:
    entries = chain(("shift", 5, 20), ("shift", 20, 40), (ROLLBACK, 40, 20))
    assert earlier_state(entries[2:], "r") is None


def test_a_route_that_was_removed_and_added_again_has_no_earlier_state() -> None:
    entries = chain(("shift", 5, 20))
    for before, after in ((RouteState(None, {}), None), (None, RouteState(None, {}))):
        changes = Changes(routes=(RouteChange("r", before, after),))
        entries.append(chained(NewEntry("bob", BY_HAND, changes, b""), entries[-1], NOW))
    assert earlier_state(entries[:2], "r") is None
    assert earlier_state(entries, "r") is None


def test_a_prefix_finds_the_last_entry_of_each_version() -> None:
    entries = chain(("shift", 0, 1), ("shift", 1, 2), ("revert", 2, 1))
    one, two = version_of(b"1"), version_of(b"2")
    assert with_version(entries, one) == [entries[2]]
    assert with_version(entries, two[:3]) == [entries[1]]
    assert with_version(entries, "") == [entries[2], entries[1]]
    assert with_version(entries, "none") == []
