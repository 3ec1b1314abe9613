"""YAML itself: its traps, its bounds, and what is no YAML at all."""

# ruff: noqa: E501 -- a row of a table stays on one line

import pytest

from proxy.config.loader import parse_table
from proxy.config.reader import MAX_BYTES
from proxy.errors import TableError
from tests.unit.config.config_tables import (
    HEAD,
    ONE_ROUTE,
    assert_problem,
    only_route,
    parse,
    problems,
    with_match,
    with_route,
)

GOOD = HEAD + ONE_ROUTE


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("010", '`010` without quotes is read differently by every YAML reader — write it in quotes: "010"'),
        ("1:30", '`1:30` without quotes is read differently by every YAML reader — write it in quotes: "1:30"'),
        ("yes", '`yes` without quotes is read differently by every YAML reader — write it in quotes: "yes"'),
        ("On", '`On` without quotes is read differently by every YAML reader — write it in quotes: "On"'),
        ("0x1F", '`0x1F` without quotes is read differently by every YAML reader — write it in quotes: "0x1F"'),
        ("1e3", '`1e3` without quotes is read differently by every YAML reader — write it in quotes: "1e3"'),
        (".inf", '`.inf` without quotes is read differently by every YAML reader — write it in quotes: ".inf"'),
        ("2026-01-02", '`2026-01-02` without quotes is read differently by every YAML reader — write it in quotes: "2026-01-02"'),
        ("TRUE", '`TRUE` without quotes is read differently by every YAML reader — write it in quotes: "TRUE"'),
        ("true", '`true` is a boolean, and text is meant — write it in quotes: "true"'),
        ("80", '`80` is a number, and text is meant — write it in quotes: "80"'),
        ("1.10", '`1.10` is a number, and text is meant — write it in quotes: "1.10"'),
        ("null", "nothing is given — write a value, or leave the key out"),
        ("~", "nothing is given — write a value, or leave the key out"),
        ("", "nothing is given — write a value, or leave the key out"),
        ("[a]", "a list stands where text is meant — write one text"),
        ("{a: b}", "a mapping stands where text is meant — write one text"),
    ],
)  # fmt: skip
def test_text_that_yaml_would_read_as_something_else_is_an_error(value: str, said: str) -> None:
    assert_problem(with_match(f"query: {{v: {{exact: «{value}}}}}"), said)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("010", "`010` is no plain number — write 10"),
        ("1_000", "`1_000` is no plain number — write 1000"),
        ("0x1F", "`0x1F` is no plain number — write 31"),
        ("0b9", "`0b9` stands where a whole number is meant — write a number like 20"),
        ("1:30", "`1:30` stands where a whole number is meant — write a number like 20"),
        (".inf", "`.inf` stands where a whole number is meant — write a number like 20"),
        ("1.5", "`1.5` is no whole number — leave the decimals out"),
        ('"7"', '"7" is text, and a number is meant — leave the quotes out'),
        ("seven", "`seven` stands where a whole number is meant — write a number like 20"),
        (
            "9" * 4000,
            f"`{'9' * 57}...` stands where a whole number is meant — write a number like 20",
        ),
        ("1e999", "`1e999` stands where a whole number is meant — write a number like 20"),
        ("-0", "`-0` is no plain number — write 0"),
        ("true", "`true` stands where a whole number is meant — write a number like 20"),
        ("1001", "`1001` is too large — write 1000 or less"),
        ("-1001", "`-1001` is too small — write -1000 or more"),
        ("[]", "a list stands where a whole number is meant — write a number like 20"),
        ('""', "an empty text stands where a whole number is meant — write a number like 20"),
    ],
)
def test_a_number_is_written_plainly(value: str, said: str) -> None:
    assert_problem(with_route(f"backend_refs: legacy, priority: «{value}"), said)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("yes", "`yes` is not read as a boolean — write true"),
        ("on", "`on` is not read as a boolean — write true"),
        ("off", "`off` is not read as a boolean — write false"),
        ("False", "`False` is not read as a boolean — write false"),
        ("1", "`1` is not read as a boolean — write true"),
        ("maybe", "`maybe` stands where a boolean is meant — write true or false"),
        ("~", "nothing is given where a boolean is meant — write true or false"),
    ],
)
def test_a_boolean_is_true_or_false(value: str, said: str) -> None:
    assert_problem(f"{GOOD}kill_switch: «{value}\n", said)


@pytest.mark.parametrize(
    ("marked", "said"),
    [
        (GOOD + "«version: 1\n", "the key `version` is given twice, first at 1:1 — keep one of the two"),
        (with_match("hosts: [a.b], «hosts: [c.d]"), "the key `hosts` is given twice, first at 5:43 — keep one of the two"),
        (GOOD + "«on: 1\n", 'the key `on` is no text — write "on" in quotes'),
        (GOOD + "«1: 1\n", 'the key `1` is no text — write "1" in quotes'),
        (GOOD + "x-a: {«~: 1}\n", 'the key `~` is no text — write "~" in quotes'),
        (GOOD + "?« \n: 1\n", 'the key `null` is no text — write "null" in quotes'),
        (GOOD + "? «[a]\n: 1\n", "a list or mapping stands where a key is meant — a key is text"),
        (GOOD + "«<<: {}\n", "merge keys (`<<`) are not read — write the keys out"),
        (GOOD + "x-a: «!!python/object/apply:os.system [ls]\n",
         "the tag `tag:yaml.org,2002:python/object/apply:os.system` is not read — "
         "leave it out: text goes in quotes, all else has no need of a tag"),
        (GOOD + "x-a: «!!str 010\n",
         "the tag `tag:yaml.org,2002:str` is not read — "
         "leave it out: text goes in quotes, all else has no need of a tag"),
        ("«%TAG ! tag:example.com,2000:\n---\nversion: 1\n", "a %TAG directive — leave it out: tags are not read"),
        (GOOD + "«---\n" + GOOD, "a second document starts here — leave out the `---`"),
        (GOOD + "x-a: «*nobody\n", "`*nobody` has no anchor above it — write `&nobody` in front of a value further up"),
        (GOOD + "x-a: &a [«*a]\n", "`*a` stands inside its own anchor — write it out"),
        (GOOD + "x-a: " + "[" * 31 + "«[[", "more than 32 levels inside each other — no table needs that"),
        (GOOD + "x-a: «'" + "a" * (1024 * 1024 + 1) + "'", "a text of 1,048,577 characters — shorten it"),
        ("«", "the file is empty — write `version: 1`, `backends:` and `routes:`"),
        ("«# only a comment\n", "the file is empty — write `version: 1`, `backends:` and `routes:`"),
        ("«- version: 1\n", "a list stands where keys are meant — begin with `version: 1`"),
        ("«just text", "`just text` stands where keys are meant — begin with `version: 1`"),
        ("«backends: {}\n", "the version is missing — begin with `version: 1`"),
        ("version: «2\n", "`2` is no version of this language — write `version: 1`"),
        ('version: «"1"\n', "`1` is no version of this language — write `version: 1`"),
        ("version: «true\n", "`true` is no version of this language — write `version: 1`"),
    ],
)  # fmt: skip
def test_what_is_refused_alone(marked: str, said: str) -> None:
    assert_problem(marked, said)


@pytest.mark.parametrize(
    ("marked", "said"),
    [
        ("version: 1\nroutes: a«: b\n", "a key stands where none can be — check the indentation, and write a value that holds a colon in quotes"),
        ("version: 1\nroutes:\n  a: b\n «c: d\n", "the indentation fits no key above (begun at line 1) — indent the keys of one block alike, and close what was opened"),
        ("version: 1\nroutes:\n«\t- name: a\n", "no value can start with this character — indent with blanks, not tabs, and write a text that starts with @, ` or % in quotes"),
        ("version: 'a\n«", "the file ends inside a quoted text (begun at line 1) — close the quotation mark"),
        ("version: 1\nroutes: [a: b«: c]\n", "a list is not closed — write `]` or `,` here"),
        ("version: 1\nroutes: {a: «]\n", "a value is missing here — write one, in quotes if it starts with a sign"),
        ("version: 1\nroutes: [a\nx«: ]\n", "a list is not closed (begun at line 2) — write `]` or `,` here"),
        ('version: "\\u«d800"\n', "this is no YAML: found invalid Unicode character escape code"),
    ],
)  # fmt: skip
def test_what_is_no_yaml_is_told_in_plain_words(marked: str, said: str) -> None:
    assert_problem(marked, said)


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        (b"version: 1\nx-a: \xff\n", (2, 6), "the file is not UTF-8 here"),
        (b"version: 1\nx-a: \xc3\xa9\xed\xa0\x80\n", (2, 7), "the file is not UTF-8 here"),
        (b"version: 1\nx-a: a\x01\n", (2, 7), "the control character U+0001"),
        ("version: 1\n".encode("utf-16"), (1, 1), "the file is not UTF-8"),
        ("version: 1\n".encode("utf-16-le"), (1, 1), "the file is not UTF-8"),
        (b"#" * (MAX_BYTES + 1), (1, 1), "the file has 16,777,217 bytes, more than 16,777,216"),
    ],
)
def test_bytes_that_are_no_text_are_named_with_their_place(
    text: bytes, place: tuple[int, int], said: str
) -> None:
    (found,) = problems(text)
    assert (found.text, (found.line, found.column)) == (said, place)


def test_a_byte_order_mark_is_passed_over() -> None:
    assert parse_table(b"\xef\xbb\xbf" + GOOD.encode())[0] == parse(GOOD)


def test_a_nul_in_a_text_is_an_error() -> None:
    said = "a control character stands in this text — take it out"
    assert_problem(with_match('query: {v: «"a\\0b"}'), said)


def test_aliases_stand_for_what_they_name() -> None:
    text = f"x-match: &m {{path: {{prefix: /a}}}}\n{HEAD}routes:\n- {{name: r, backend_refs: legacy, match: *m}}\n"
    path = only_route(text).matches[0].path
    assert path is not None
    assert path.value == "/a"


def test_an_anchor_may_name_a_text_and_may_be_used_again() -> None:
    text = f"{HEAD}x-a: &a legacy\nroutes:\n- {{name: r, backend_refs: *a}}\n"
    assert only_route(text).backend_refs[0].backend == "legacy"


@pytest.mark.parametrize("item", ["a", "[]", "*b"])
def test_aliases_count_as_what_they_stand_for(item: str) -> None:
    many = "x-a: &a [a" + ", a" * 998 + "]\nx-b: &b [*a" + ", *a" * 99 + "]\nx-c: [*b" + ", *b" * 10
    (found,) = problems(f"{GOOD}{many}{f', {item}' * 60_000}]\n")
    assert found.text == "more than 1,250,000 keys and values, aliases expanded"


def test_anchors_are_for_what_repeats() -> None:
    anchors = "\n".join(f"x-{n}: «&a{n} a" if n == 1000 else f"x-{n}: &a{n} a" for n in range(1001))
    said = "more than 1,000 anchors — an anchor is for what repeats"
    assert_problem(GOOD + anchors, said)


def test_a_text_in_quotes_is_text_whatever_it_looks_like() -> None:
    match = only_route(with_match('query: {"on": "010"}')).matches[0]
    assert (match.query[0].name, match.query[0].value) == ("on", "010")


def test_a_problem_in_an_alias_is_told_at_its_anchor() -> None:
    text = f"x-m: &m {{path: {{«prefx: /a}}}}\n{HEAD}routes:\n- {{name: r, backend_refs: legacy, match: *m}}\n"
    assert_problem(text, "unknown key `prefx` in `path` — did you mean `prefix`?")


def test_the_error_reads_as_one_line_a_problem() -> None:
    with pytest.raises(TableError) as caught:
        parse_table(b"version: 3", "here.yaml")
    assert (
        str(caught.value)
        == "here.yaml:1:10: `3` is no version of this language — write `version: 1`"
    )
