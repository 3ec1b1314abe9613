"""No input makes the loader raise anything but its own error, hang, or take more than its memory."""

# ruff: noqa: E501 -- a row of a table stays on one line

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config.expand import expand
from proxy.config.loader import parse_table
from proxy.errors import Problem, TableError
from tests.unit.config.config_tables import HEAD, parse, without_places

EXAMPLE = (Path(__file__).parents[1] / "data" / "every-part.yaml").read_bytes()
MEMORY_MIB = 256
TIME_S = 120

# One process a bomb: only so is the peak its own. It writes its peak in MiB and what came of it.
CHILD = """
import sys
from pathlib import Path
from proxy.config.loader import parse_table
from proxy.errors import Problem, TableError
text = eval(sys.argv[1])
try:
    table, _ = parse_table(text)
    said = f"{len(table.routes)} routes"
except TableError as error:
    said = error.problems[0].text
# Not `ru_maxrss`: that one is inherited from the process that started this one.
status = Path("/proc/self/status").read_text()
print(int(status.partition("VmHWM:")[2].split()[0]) // 1024, said[:60])
"""
_START = 'b"version: 1\\nbackends: {l: http://h}\\nroutes:\\n"'
_TOO_MANY = "more than 1,250,000 keys and values, aliases expanded"


def _load(text: bytes) -> None:
    """Anything but a table or a TableError fails the test; a problem is always a sentence with a place."""
    try:
        _, found = parse_table(text)
    except TableError as error:
        found = error.problems or (Problem(0, 0, ""),)
    for problem in found:
        assert problem.line >= 1
        assert problem.column >= 1
        assert problem.text
        # None of the words of the libraries underneath.
        assert not re.search(
            r"pydantic|Input should|https://e|Traceback", problem.text + problem.hint
        )


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(text: bytes) -> None:
    _load(text)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_any_text_in_the_place_of_a_value(value: str) -> None:
    encoded = value.encode("utf-8", "surrogatepass")
    for place in (b"routes: [{name: ", b"version: ", b"routes:\n- match: {path: {prefix: "):
        _load(b"version: 1\n" + place + encoded + b"}]\n")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_good_table_with_pieces_taken_out_doubled_or_replaced(data: st.DataObject) -> None:
    text = bytearray(EXAMPLE)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text) - 1))
        end = min(len(text), start + data.draw(st.integers(0, 30)))
        piece = bytes(text[start:end])
        bad = st.sampled_from(
            [
                b"",
                piece * 2,
                b": ",
                b"- ",
                b"010",
                b"~",
                b"[",
                b"}",
                b"*a",
                b"&a ",
                b"\t",
                b"\x00",
                b"'",
                b"yes",
                b"\n",
            ]
        )
        text[start:end] = data.draw(bad)
    _load(bytes(text))


_SCALARS = st.one_of(
    st.text(max_size=8), st.integers(), st.booleans(), st.none(), st.floats(), st.dates()
)
_WORDS = st.sampled_from(
    ["name", "match", "path", "prefix", "exact", "backend_refs", "weight", "stage", "canary", "legacy",
     "mirror", "compare", "body", "equal", "rollout", "steps", "headers", "set", "url", "endpoints",
     "timeouts", "request", "5s", "http://h", "template", "/{a}", "params", "a", "tests", "given", "weights",
     "input", "expect", "route", "hash_policy", "cookie", "redirect", "direct_response", "status"]
)  # fmt: skip
_TREES = st.recursive(
    st.one_of(_SCALARS, _WORDS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(_WORDS, _SCALARS), inner, max_size=5)
    ),
    max_leaves=25,
)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["metadata", "kill_switch", "defaults", "backends", "cohorts", "routes", "tests"]),
        st.one_of(_TREES, st.lists(st.dictionaries(_WORDS, _TREES, max_size=6), max_size=3)),
    )
)  # fmt: skip
def test_any_structure_of_yaml(tree: dict[str, object]) -> None:
    _load(yaml.safe_dump({"version": 1, **tree}, allow_unicode=True).encode("utf-8", "replace"))


# --- the long form of any table ------------------------------------------------------------------

_TEXTS = st.text(
    st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12
).filter(lambda text: text == text.strip())
_STRING_MATCHES = st.one_of(
    _TEXTS,
    st.builds(lambda text: {"exact": text}, _TEXTS),
    st.builds(lambda text: {"prefix": text}, _TEXTS),
    st.builds(lambda there: {"present": there}, st.booleans()),
)
_SEGMENTS = st.lists(
    st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=5), min_size=1, max_size=3
)
_PATHS = st.builds(lambda kind, parts: {kind: "/" + "/".join(parts)}, st.sampled_from(["exact", "prefix"]), _SEGMENTS)  # fmt: skip
_DURATIONS = st.integers(1, 60_000).map(lambda count: f"{count}ms")
_REFS = st.one_of(
    st.just("legacy"),
    st.just(["new"]),
    st.integers(0, 10_000).map(lambda bp: {"legacy": bp / 100, "new": (10_000 - bp) / 100}),
)
_ROUTES = st.fixed_dictionaries(
    {"backend_refs": _REFS},
    optional={
        "priority": st.integers(-1000, 1000),
        "match": st.fixed_dictionaries(
            {},
            optional={
                "path": _PATHS,
                "hosts": st.sampled_from([["a.b"], ["*.a.b", "10.0.0.1"]]),
                "methods": st.just(["GET", "HEAD"]),
                "query": st.dictionaries(_TEXTS, _STRING_MATCHES, max_size=2),
            },
        ),
        "timeouts": st.fixed_dictionaries({}, optional={"request": _DURATIONS, "connect": _DURATIONS}),
        "response": st.builds(lambda text: {"headers": {"set": {"x-a": text}}}, _TEXTS),
    },
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(_ROUTES, min_size=1, max_size=3), st.booleans())
def test_the_long_form_of_any_table_says_the_same(
    routes: list[dict[str, object]], switch: bool
) -> None:
    named = [{"name": f"r{n}", **route} for n, route in enumerate(routes)]
    quoted = yaml.dump(
        {"kill_switch": switch, "routes": named}, Dumper=_Quoting, allow_unicode=True, width=10_000
    )
    text = HEAD + quoted
    long = expand(text.encode())
    assert without_places(parse(long)) == without_places(parse(text))
    assert expand(long.encode()) == long


class _Quoting(yaml.SafeDumper):
    """Every text in quotes: what it looks like is of no matter then."""


def _in_quotes(writer: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style='"')


_Quoting.add_representer(str, _in_quotes)


# --- bombs ------------------------------------------------------------------------------------------


QUICK = [
    pytest.param('b"version: 1\\nx-a: &a [" + b"a,"*9999 + b"a]\\nx-b: &b [" + b"*a,"*99 + b"*a]\\nx-c: [" + b"*b,"*999 + b"*b]"', _TOO_MANY, id="aliases of aliases"),
    pytest.param('b"["*16_000_000', "more than 32 levels", id="deep in brackets"),
    pytest.param('b"- "*8_000_000', "more than 32 levels", id="deep in blocks"),
    pytest.param('b"? "*8_000_000', "more than 32 levels", id="deep in keys"),
    pytest.param('b"a: \'" + b"x"*16_000_000 + b"\\xf0\\x9f\\x98\\x80\'"', "a text of", id="one text of 16 MB"),
    pytest.param('b"#" * 16_000_000', "the file is empty", id="one comment of 16 MB"),
    pytest.param(f'{_START} + b"- {{nam: x}}\\n"*99_000', "`name` is missing", id="a hundred thousand wrong routes"),
    pytest.param(f'{_START} + b"".join(b"- {{name: r%d, match: {{path: {{regex: \'/x%d[a-z]{{500}}\'}}}}, backend_refs: l}}\\n" % (n, n) for n in range(3000))', "3000 routes", id="three thousand large expressions"),
]  # fmt: skip
SLOW = [
    pytest.param(f'{_START} + b"- {{nam: x}}\\n"*299_000', "299,000 routes", id="too many routes"),
    pytest.param('b"[" + b"a,"*8_000_000 + b"a]"', _TOO_MANY, id="a list of eight million"),
    pytest.param('b"[" + b"[],"*1_249_990 + b"[]]"', "a list stands", id="as many lists as are allowed"),
    pytest.param('b"[" + b"{},"*1_249_990 + b"{}]"', "a list stands", id="as many mappings as are allowed"),
    pytest.param('b"{" + b",".join(b"k%d: v%d" % (n, n) for n in range(624_000)) + b"}"', "the version", id="as many keys as are allowed"),
    pytest.param('b"[" + b",".join(b"&a%d x" % n for n in range(1_100_000)) + b"]"', "more than 1,000 anchors", id="a million anchors"),
    pytest.param(f'{_START} + b"- a\\n"*1_200_000', "1,200,000 routes", id="a million texts for routes"),
    pytest.param('b"version: 1\\nmetadata: {" + b",".join(b"k%d: 1" % n for n in range(600_000)) + b"}"', "`routes` is missing", id="metadata without end"),
    pytest.param(f'{_START} + b"".join(b"- {{name: r%d, match: {{path: {{prefix: /a/b/c%d}}}}, backend_refs: l}}\\n" % (n, n) for n in range(100_000))', "100000 routes", id="a hundred thousand good routes"),
    pytest.param(f'{_START} + b"".join(b"- {{name: r%d, match: {{path: {{prefix: /a/b/c%d}}}}, backend_refs: l}}\\n" % (n, n) for n in range(100_000)) + b"tests:\\n" + b"".join(b"- {{name: t%d, input: {{path: /}}, expect: {{route: r%d}}}}\\n" % (n, n) for n in range(10_000))', "100000 routes", id="as many routes and tests"),
]  # fmt: skip


@pytest.mark.parametrize(("bomb", "said"), QUICK)
def test_no_input_takes_more_than_its_memory_and_time(bomb: str, said: str) -> None:
    _explode(bomb, said)


@pytest.mark.soak
@pytest.mark.parametrize(("bomb", "said"), SLOW)
def test_the_largest_inputs_take_no_more_than_their_memory_and_time(bomb: str, said: str) -> None:
    _explode(bomb, said)


def _explode(bomb: str, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, bomb],
        capture_output=True,
        text=True,
        timeout=TIME_S,
        check=False,
    )
    assert done.stderr == ""
    peak, _, response = done.stdout.partition(" ")
    assert response.startswith(said)
    assert int(peak) < MEMORY_MIB
