"""Positions in a table's text."""

import pytest

from proxy.control.edits.yaml_nodes import read_document

TEXT = """\
x-one: &one {a: [1, 2]}
version: 1 # first
routes:
- name: first
  match: {headers: {name: {exact: r}}}
- {match: *one, name: r, backend_refs: &refs [legacy, {name: 'new', weight: 5}]}
- {name: r, backend_refs: other}
kill_switch: "true"
"""


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_route_is_found_by_its_name_and_its_entries_have_spans(mark: bytes, end: str) -> None:
    text = TEXT.replace("\n", end)
    document = read_document(mark + text.encode(), "r")
    assert document.route is not None
    assert document.text == text
    assert {key.text: text[value.start : value.end] for key, value in document.route.pairs} == {
        "match": "*one",
        "name": "r",
        "backend_refs": "&refs [legacy, {name: 'new', weight: 5}]",
    }


def test_a_document_has_its_top_level_without_the_content_of_sections() -> None:
    root = read_document(TEXT.encode(), "r").root
    nodes = {key.text: (value.kind, value.text) for key, value in root.pairs}
    assert nodes == {
        "x-one": ("skipped", ""),
        "version": ("scalar", "1"),
        "routes": ("skipped", ""),
        "kill_switch": ("scalar", "true"),
    }


@pytest.mark.parametrize("name", ["", "nobody", "legacy", "exact", "a", None])
def test_a_name_that_no_route_has_finds_none(name: str | None) -> None:
    document = read_document(TEXT.encode(), name)
    assert document.route is None
    assert document.root.get("kill_switch") is not None, "and the text is read to its end"


def test_nodes_have_their_style() -> None:
    route = read_document(TEXT.encode(), "r").route
    assert route is not None
    alias, refs = route.pairs[0][1], route.pairs[2][1]
    assert (alias.kind, alias.text) == ("alias", "one")
    assert (refs.kind, refs.anchor, refs.flow) == ("list", "refs", True)
    legacy, new = refs.items
    assert (legacy.kind, legacy.text, legacy.style) == ("scalar", "legacy", "")
    assert (new.kind, new.pairs[0][1].text, new.pairs[0][1].style) == ("map", "new", "'")
