"""Reading logs in blocks, with their formats and the lines that cannot be read."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.control.replay.log_reader import (
    BALANCER,
    COMMON,
    FACADE,
    MAX_LINE_BYTES,
    LogReader,
    Rejected,
)
from proxy.control.replay.recorded_requests import LoggedRequest, Unreadable
from tests.unit.control.plans import line, read_all

COMMON_LINE = b'192.0.2.1 - - [29/Nov/2026:10:00:00 +0000] "GET /%d HTTP/1.1" 200 5'
BALANCER_LINE = (
    b"http 2026-11-29T10:00:00.9Z app/x 192.0.2.1:2 10.0.0.1:80 0 0 0 200 200 3 3 "
    b'"GET http://h:80/ HTTP/1.1" "-" - -'
)


class Taken(list[tuple[str, int]]):
    """Targets and line numbers of the requests."""

    def take(self, logged: LoggedRequest, number: int) -> None:
        self.append((str(logged.target), number))


def test_each_line_is_read_by_its_own_format() -> None:
    taken = Taken()
    reader = read_all(LogReader(taken.take), COMMON_LINE % 1, line("/2"), BALANCER_LINE)
    assert taken == [("/1", 1), ("/2", 2), ("/", 3)]
    assert reader.formats == {COMMON: 1, FACADE: 1, BALANCER: 1}


def test_the_first_lines_that_cannot_be_read_are_named_by_file_and_number() -> None:
    reader = LogReader(Taken().take)
    reader.begin_file("a.log")
    reader.feed(b"x\n\n\ny")
    reader.end_file()
    reader.begin_file("b.log")
    reader.feed(b"\n{\nz\n")
    reader.end_file()
    assert (reader.lines, reader.rejected) == (7, 4)
    assert reader.first_rejected == [
        Rejected("a.log", 1, "it is in no known format"),
        Rejected("a.log", 4, "it is in no known format"),
        Rejected("b.log", 2, "Input data was truncated"),
    ]


def test_requests_without_a_path_are_counted() -> None:
    reader = read_all(LogReader(Taken().take), line("*"), COMMON_LINE.replace(b"GET /%d", b"-"))
    assert (reader.lines, reader.without_path, reader.rejected) == (2, 2, 0)


def test_a_request_may_be_refused_by_its_reader() -> None:
    def refuse(_logged: LoggedRequest, _number: int) -> None:
        raise Unreadable("not today")

    reader = read_all(LogReader(refuse), COMMON_LINE % 1)
    assert reader.first_rejected == [Rejected("access.log", 1, "not today")]


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_without_end_is_counted_once_and_not_kept(end: bytes) -> None:
    taken = Taken()
    reader = LogReader(taken.take)
    reader.begin_file("a.log")
    reader.feed(COMMON_LINE % 1 + b"\n")
    for _ in range(20):
        reader.feed(b"x" * (MAX_LINE_BYTES // 4))
        assert len(reader._rest) <= MAX_LINE_BYTES
    reader.feed(b"x" + end)
    reader.end_file()
    reader.begin_file("b.log")
    reader.feed(COMMON_LINE % 3 + b"\n")
    assert taken == [("/1", 1), ("/3", 3)]
    assert reader.first_rejected == [Rejected("a.log", 2, "it is longer than 1 MiB")]


def test_a_long_line_may_end_where_the_next_begins() -> None:
    taken = Taken()
    reader = LogReader(taken.take)
    reader.feed(b"x" * (MAX_LINE_BYTES + 1))
    reader.feed(b"x\n" + COMMON_LINE % 2 + b"\n" + COMMON_LINE[:20] % ())
    reader.end_file()
    assert taken == [("/2", 2)]
    assert [each.line for each in reader.first_rejected] == [1, 3]


def test_a_damaged_file_is_named() -> None:
    reader = LogReader(Taken().take)
    reader.begin_file("a.gz")
    reader.report_damage("it ends early")
    assert reader.damaged == [("a.gz", "it ends early")]


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=20).filter(lambda text: b"\n" not in text),
            st.just(COMMON_LINE % 7),
            st.just(line("/8")),
        ),
        max_size=8,
    ),
    st.lists(st.integers(1, 60), max_size=20),
)
def test_the_size_of_the_blocks_does_not_matter(lines: list[bytes], sizes: list[int]) -> None:
    text = b"\n".join(lines)
    whole, parts = Taken(), Taken()
    first, second = LogReader(whole.take), LogReader(parts.take)
    first.feed(text)
    first.end_file()
    for size in sizes:
        second.feed(text[:size])
        text = text[size:]
    second.feed(text)
    second.end_file()
    assert whole == parts
    assert first.lines == second.lines
    assert first.first_rejected == second.first_rejected
