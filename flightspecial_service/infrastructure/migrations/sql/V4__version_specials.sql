-- Counts the states of a special, for ETag and If-Match. A trigger does it, so that a replica of an
-- older version, which knows nothing of the column, counts as well. A constant default rewrites no row.
ALTER TABLE "${flyway:defaultSchema}".flightspecial ADD COLUMN version int8 NOT NULL DEFAULT 1;

CREATE FUNCTION "${flyway:defaultSchema}".count_version() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    NEW.version := OLD.version + 1;
    RETURN NEW;
END
$body$;

CREATE TRIGGER count_version BEFORE UPDATE ON "${flyway:defaultSchema}".flightspecial
    FOR EACH ROW EXECUTE FUNCTION "${flyway:defaultSchema}".count_version();
