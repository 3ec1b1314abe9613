"""Migration files: names, checksums, and which are pending."""

from pathlib import Path

import pytest

from flightspecial_service.errors import MigrationRefused
from flightspecial_service.infrastructure.migrations.migrator import own_scripts
from flightspecial_service.infrastructure.migrations.scripts import (
    Applied,
    Script,
    checksum,
    pending,
    read_scripts,
)


def script(version: str, number: int = 7, text: str = "SELECT 1") -> Script:
    return Script(version, "x", f"V{version}__x.sql", number, text)


def applied(version: str, number: int | None = 7, *, success: bool = True) -> Applied:
    return Applied(version, f"V{version}__x.sql", number, success)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"", 0, id="nothing"),
        pytest.param(b"123456789", -873187034, id="the check value of CRC-32, signed"),
        pytest.param(b"12345\n6789\n", -873187034, id="line ends of Unix do not count"),
        pytest.param(b"12345\r\n6789\r\n", -873187034, id="nor those of Windows"),
        pytest.param(b"\xef\xbb\xbf123456789", -873187034, id="nor a byte order mark"),
        pytest.param(b"a", -390611389, id="above 2**31 is negative"),
        pytest.param(b"b", 1908338681, id="below 2**31 is positive"),
    ],
)
def test_the_checksum_is_flyways(content: bytes, expected: int) -> None:
    assert checksum(content) == expected


V1, V2, V10 = script("1"), script("2"), script("10")


@pytest.mark.parametrize(
    ("scripts", "history", "todo"),
    [
        pytest.param([V1, V2], [], [V1, V2], id="a new database"),
        pytest.param([V1, V2], [applied("1")], [V2], id="one is missing"),
        pytest.param([V1, V2], [applied("1"), applied("2")], [], id="nothing is missing"),
        pytest.param([V1, V2, V10], [applied("1"), applied("2")], [V10], id="10 comes after 2"),
        pytest.param([V1], [applied("1", None)], [], id="applied without a checksum"),
        pytest.param([V1], [applied("1.0")], [], id="1.0 is 1"),
        pytest.param([], [], [], id="nothing at all"),
    ],
)
def test_to_be_applied(scripts: list[Script], history: list[Applied], todo: list[Script]) -> None:
    assert pending(scripts, history) == tuple(todo)


@pytest.mark.parametrize(
    ("scripts", "history", "why"),
    [
        pytest.param([V1], [applied("1", 8)], "V1__x.sql was changed", id="a changed file"),
        pytest.param([V1, V10], [applied("2")], "V2__x.sql was applied, but", id="a missing file"),
        pytest.param([V1], [applied("1"), applied("2")], "newer.*V2__x.sql", id="newer database"),
        pytest.param([], [applied("1")], "newer.*V1__x.sql", id="no files"),
        pytest.param([V1, V2], [applied("2")], "V1__x.sql was never applied", id="out of order"),
        pytest.param([V1], [applied("1", success=False)], "V1__x.sql failed", id="a failed one"),
    ],
)
def test_refused_with_the_name_of_the_file(
    scripts: list[Script], history: list[Applied], why: str
) -> None:
    with pytest.raises(MigrationRefused, match=why):
        pending(scripts, history)


def test_files_are_read_in_order_of_version(tmp_path: Path) -> None:
    for name in ("V10__c.sql", "V1_1__b_b.sql", "V1__a.sql"):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbfSELECT 1;\r\n")
    (tmp_path / "README.md").write_text("not a migration")
    scripts = read_scripts(tmp_path)
    assert [(each.version, each.description) for each in scripts] == [
        ("1", "a"),
        ("1.1", "b b"),
        ("10", "c"),
    ]
    assert scripts[0].text == "SELECT 1;\r\n"


@pytest.mark.parametrize("names", [["V1_x.sql"], ["v1__x.sql"], ["V1__a.sql", "V1.0__b.sql"]])
def test_a_bad_or_doubled_name_is_refused(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(MigrationRefused, match=names[-1]):
        read_scripts(tmp_path)


def test_a_script_is_made_for_a_schema() -> None:
    text = 'CREATE TABLE "${flyway:defaultSchema}".x ()'
    assert script("1", text=text).sql("mine") == 'CREATE TABLE "mine".x ()'


def test_an_unknown_placeholder_is_refused() -> None:
    with pytest.raises(MigrationRefused, match=r"V1__x.sql.*\$\{who\}"):
        script("1", text="SELECT '${who}'").sql("mine")


def test_the_published_files_are_not_edited() -> None:
    """Databases have these checksums in their history: a change goes into a new file."""
    assert [(each.name, each.checksum) for each in own_scripts() if each.version] == [
        ("V1__create_schema.sql", 186912665),
        ("V2__create_tables.sql", 605026655),
        ("V3__insert_sample_flightspecials.sql", -1733018793),
        ("V4__version_specials.sql", -175889041),
        ("V5__create_idempotency_keys.sql", -2034591755),
        ("V6__index_specials_by_expiry.sql", -1199714278),
    ]
