"""A shift in any layout that YAML allows."""

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.control.edits.operations import Consent, shift
from tests.texts import parsed

FORCED = Consent(force=True, reason="the old one burns")


@st.composite
def layouts(draw: st.DrawFn) -> str:
    """A table with «S», «L» and «N» where stage and weights go, in any layout that YAML allows."""
    space = st.sampled_from([" ", "  ", "   "])
    note = st.sampled_from(["", " # note", "  # stage: live", " # {legacy: 1}"])
    quoted = draw(st.sampled_from(["{}", "'{}'", '"{}"']))
    indent = " " * draw(st.integers(0, 4))
    keys = " " * draw(st.integers(1, 4))
    inner = indent + " " + keys

    def name(word: str) -> str:
        return draw(st.sampled_from(["{}", "'{}'", '"{}"'])).format(word)

    refs = draw(
        st.sampled_from(
            [
                f"{{{name('legacy')}: «L»,{draw(space)}{name('new')}: «N» }}",
                f"\n{inner}  {name('legacy')}:{draw(space)}«L»{draw(note)}\n{inner}  {name('new')}: «N»",
                f"[ {{name: {name('legacy')}, weight: «L»}}, {{weight: «N», name: {name('new')}}} ]",
                f"\n{inner}- name: {name('legacy')}{draw(note)}\n{inner}  weight: «L»\n"
                f"{inner}- {{ weight: «N», name: {name('new')} }}",
            ]
        )
    )
    lines = draw(
        st.permutations(
            [
                f"name:{draw(space)}{name('r')}{draw(note)}",
                f"stage:{draw(space)}{quoted.format('«S»')}{draw(note)}",
                f"backend_refs: {refs}{draw(note)}",
                f"match: {{path: {{prefix: /r}}}}{draw(note)}",
            ]
        )
    )
    route = f"{indent}-{keys}" + f"\n{inner}".join(lines)
    other = f"{indent}- {{name: other, match: {{hosts: [o.example]}}, backend_refs: {{legacy: 80, new: 20}}}}"
    routes = draw(st.permutations([route, other]))
    sections = draw(
        st.permutations(
            [
                "version: 1",
                "backends:\n  legacy: http://a:1\n  new: {url: http://b:1}",
                "routes:\n" + "\n".join(routes),
                "# a comment of its own",
            ]
        )
    )
    text = "\n".join(sections) + draw(st.sampled_from(["", "\n", "\n\n# end\n"]))
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))


def filled(layout: str, percent_bp: int) -> str:
    stage = {0: "legacy", 10_000: "live"}.get(percent_bp, "canary")
    legacy, new = (f"{bp / 100:g}" for bp in (10_000 - percent_bp, percent_bp))
    return layout.replace("«S»", stage).replace("«L»", legacy).replace("«N»", new)


@settings(deadline=None, max_examples=150)
@given(layouts(), st.integers(0, 10_000), st.integers(0, 10_000), st.booleans())
def test_in_any_layout_a_shift_changes_stage_and_weights_alone(
    layout: str, before: int, then: int, marked: bool
) -> None:
    bom = b"\xef\xbb\xbf" if marked else b""
    edited = shift(parsed(bom + filled(layout, before).encode()), "r", {"new": then}, FORCED)
    if before == then:
        assert edited is None
        return
    assert edited is not None
    assert edited.text == bom + filled(layout, then).encode()
