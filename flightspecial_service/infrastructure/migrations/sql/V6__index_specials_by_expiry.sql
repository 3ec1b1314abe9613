-- The order of every list, and what a page is looked up by.
CREATE INDEX flightspecial_expiry_date_id_idx
    ON "${flyway:defaultSchema}".flightspecial (expiry_date, id);
