-- Repeatable: applied after all versions, and again whenever this file changes.
COMMENT ON TABLE "${flyway:defaultSchema}".flightspecial IS 'Flights on offer';
COMMENT ON COLUMN "${flyway:defaultSchema}".flightspecial.cost IS 'US dollars';
COMMENT ON COLUMN "${flyway:defaultSchema}".flightspecial.version IS 'Counts the states, by a trigger; ETag';
COMMENT ON TABLE "${flyway:defaultSchema}".flight IS 'Flights of a profile';
COMMENT ON TABLE "${flyway:defaultSchema}".flight_name_history IS 'Names that flights had, oldest first';
COMMENT ON TABLE "${flyway:defaultSchema}".idempotency_key IS 'Outcomes of requests, kept for a day';
