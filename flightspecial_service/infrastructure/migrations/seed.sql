-- What a demonstration needs, however often it is run: the samples that have expired are on sale again,
-- and the profile `demo` has a flight to rename.
UPDATE "${flyway:defaultSchema}".flightspecial
SET expiry_date = date_trunc('milliseconds',
    now() AT TIME ZONE 'UTC' + make_interval(secs => 79.2 + random() * 20000))
WHERE id <= 11 AND expiry_date <= now() AT TIME ZONE 'UTC';

INSERT INTO "${flyway:defaultSchema}".flight
    (profile_id, flight_name, pushing_status_code, poping_step, register_id, registration_date_time)
SELECT 'demo', 'London to Prague', 'NORMAL', 1, 'seed', now() AT TIME ZONE 'UTC'
WHERE NOT EXISTS (SELECT FROM "${flyway:defaultSchema}".flight WHERE profile_id = 'demo');
