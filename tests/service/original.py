"""The database that the Java service leaves: its tables, its rows, and Flyway's history of its migrations.

Its files are not ours, so their names and checksums differ.
"""

TABLES = (
    "CREATE SCHEMA IF NOT EXISTS travelbuddy",
    """CREATE TABLE travelbuddy.flightspecial (
        id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, header varchar(255) NOT NULL,
        body varchar(255), origin varchar(255), origin_code varchar(6), destination varchar(255),
        destination_code varchar(6), cost int4, expiry_date timestamp)""",
    """CREATE TABLE travelbuddy.flight (
        flight_no int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, profile_id varchar(255),
        flight_name varchar(255) NOT NULL, pushing_status_code varchar(255) NOT NULL,
        poping_step int4 NOT NULL, register_id varchar(255) NOT NULL,
        registration_date_time timestamp NOT NULL)""",
    """CREATE TABLE travelbuddy.flight_name_history (
        flight_name_history_no int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        flight_name varchar(255) NOT NULL,
        flight_no int8 NOT NULL REFERENCES travelbuddy.flight)""",
    """INSERT INTO travelbuddy.flightspecial (header, cost, expiry_date)
        VALUES ('London to Prague', 154, now() + interval '1 day')""",
)
"""As its three migrations make them: the schema, the tables, sample rows."""

CHECKSUMS = {
    "V1__create_schema.sql": 1402345678,
    "V2__init_tables.sql": -1198765432,
    "V3__insert_flightspecials.sql": 734512890,
}


def history(schema: str) -> tuple[str, ...]:
    """Flyway's table in this schema, with its rows."""
    table = f"{schema}.flyway_schema_history"
    rows: list[tuple[object, ...]] = [
        (0, None, "<< Flyway Schema Creation >>", "SCHEMA", '"travelbuddy"', None)
    ]
    rows += [
        (rank, str(rank), name[4:-4].replace("_", " "), "SQL", name, checksum)
        for rank, (name, checksum) in enumerate(CHECKSUMS.items(), 1)
    ]
    values = ", ".join(
        f"({', '.join(_literal(value) for value in row)}, 'postgres', now(), 12, true)"
        for row in rows
    )
    return (
        f"""CREATE TABLE {table} (
            installed_rank integer NOT NULL CONSTRAINT flyway_schema_history_pk PRIMARY KEY,
            version varchar(50), description varchar(200) NOT NULL, type varchar(20) NOT NULL,
            script varchar(1000) NOT NULL, checksum integer, installed_by varchar(100) NOT NULL,
            installed_on timestamp NOT NULL DEFAULT now(), execution_time integer NOT NULL,
            success boolean NOT NULL)""",
        f"CREATE INDEX flyway_schema_history_s_idx ON {table} (success)",
        f"INSERT INTO {table} VALUES {values}",
    )


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else f"'{value}'"
