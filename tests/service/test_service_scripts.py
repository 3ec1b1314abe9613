"""Migration files: names, checksums, and which are pending."""

from pathlib import Path

import pytest

from flightspecial_service.errors import MigrationRefused
from flightspecial_service.infrastructure.migrations.migrator import own_scripts
from flightspecial_service.infrastructure.migrations.scripts import (
    BASELINE,
    DELETED,
    Applied,
    Script,
    checksum,
    effective,
    newer,
    pending,
    read_scripts,
    unapplied,
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
R = Script(None, "x", "R__x.sql", 9, "SELECT 1")


@pytest.mark.parametrize(
    ("scripts", "history", "todo"),
    [
        pytest.param([V1, V2], [], [V1, V2], id="a new database"),
        pytest.param([V1, V2], [applied("1")], [V2], id="one is missing"),
        pytest.param([V1, V2], [applied("1"), applied("2")], [], id="nothing is missing"),
        pytest.param([V1, V2, V10], [applied("1"), applied("2")], [V10], id="10 comes after 2"),
        pytest.param([V1], [applied("1", None)], [], id="applied without a checksum"),
        pytest.param([V1], [applied("1.0")], [], id="1.0 is 1"),
        pytest.param([V1], [applied("1"), applied("2")], [], id="a newer version was here"),
        pytest.param([V1, R], [applied("1"), applied("2")], [], id="and keeps its repeatable ones"),
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
        pytest.param([V1, V2], [applied("2")], "V1__x.sql was never applied", id="out of order"),
        pytest.param([V1], [applied("1", success=False)], "V1__x.sql failed", id="a failed one"),
        pytest.param(
            [V1], [applied("9", success=False)], "V9__x.sql failed", id="a newer one failed"
        ),
    ],
)
def test_refused_with_the_name_of_the_file(
    scripts: list[Script], history: list[Applied], why: str
) -> None:
    with pytest.raises(MigrationRefused, match=why):
        pending(scripts, history)


def test_rows_of_a_newer_version_are_named() -> None:
    assert newer([V1], [applied("1"), applied("2"), applied("3")]) == ("V2__x.sql", "V3__x.sql")
    assert newer([V1, V2], [applied("1"), Applied("9", "b", None, True, BASELINE)]) == ()


@pytest.mark.parametrize(
    ("history", "missing"),
    [
        pytest.param([], [V1, V2], id="no history"),
        pytest.param([Applied("2", "b", None, True, BASELINE)], [], id="below a baseline"),
        pytest.param([Applied("1.0", "b", None, True, BASELINE)], [V2], id="above a baseline"),
        pytest.param([applied("1"), applied("2", success=False)], [V2], id="a failed one"),
        pytest.param([applied("1", 8), applied("2"), applied("3")], [], id="others as well"),
    ],
)
def test_a_version_is_unapplied(history: list[Applied], missing: list[Script]) -> None:
    assert unapplied([V1, V2, R], history) == tuple(missing)


def test_a_row_that_flyway_marked_as_deleted_does_not_count() -> None:
    gone = Applied("2", "V2__x.sql", 7, True, DELETED)
    assert effective([applied("1"), applied("2"), gone]) == [applied("1")]
    assert effective([applied("2"), gone, applied("2")]) == [applied("2")]
    assert pending([V1], effective([applied("1"), applied("2"), gone])) == ()


@pytest.mark.parametrize(
    ("conf", "in_transaction"),
    [
        ("executeInTransaction=false", False),
        ("# a comment\r\n\r\n executeInTransaction = false \r\n", False),
        ("executeInTransaction=true\n", True),
        ("", True),
    ],
)
def test_a_conf_file_decides_about_the_transaction(
    tmp_path: Path, conf: str, in_transaction: bool
) -> None:
    (tmp_path / "V1__a.sql").write_text("SELECT 1")
    (tmp_path / "V1__a.sql.conf").write_text(conf)
    assert [each.in_transaction for each in read_scripts(tmp_path)] == [in_transaction]


@pytest.mark.parametrize(
    ("name", "conf"),
    [
        ("V1__a.sql.conf", "executeInTransaction=no"),
        ("V1__a.sql.conf", "encoding=UTF-8"),
        ("V2__a.sql.conf", "executeInTransaction=false"),
    ],
)
def test_a_conf_file_that_is_not_understood_is_refused(
    tmp_path: Path, name: str, conf: str
) -> None:
    (tmp_path / "V1__a.sql").write_text("SELECT 1")
    (tmp_path / name).write_text(conf)
    with pytest.raises(MigrationRefused, match=name):
        read_scripts(tmp_path)


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
