-- Data for a demonstration; may be run repeatedly. Renews the expired samples, and adds a flight of the
-- profile `demo` if it has none.
UPDATE "${flyway:defaultSchema}".flightspecial
SET expiry_date = date_trunc('milliseconds',
    now() AT TIME ZONE 'UTC' + make_interval(secs => 79.2 + random() * 20000))
WHERE id <= 11 AND expiry_date <= now() AT TIME ZONE 'UTC';

INSERT INTO "${flyway:defaultSchema}".flight
    (profile_id, flight_name, pushing_status_code, poping_step, register_id, registration_date_time)
SELECT 'demo', 'London to Prague', 'NORMAL', 1, 'seed', now() AT TIME ZONE 'UTC'
WHERE NOT EXISTS (SELECT FROM "${flyway:defaultSchema}".flight WHERE profile_id = 'demo');
