-- Expiry: 79.2 s from now and up to 20,000 s more, in UTC. Whole milliseconds, so that every contract
-- in which they are served says the same instant.
INSERT INTO "${flyway:defaultSchema}".flightspecial
    (header, body, origin, origin_code, destination, destination_code, cost, expiry_date)
SELECT
    header, body, origin, origin_code, destination, destination_code,
    50 + floor(random() * 201)::int4,
    date_trunc('milliseconds', now() AT TIME ZONE 'UTC' + make_interval(secs => 79.2 + random() * 20000))
FROM (VALUES
    ( 1, 'London to Prague',          'Jewel of the East',             'London', 'LHR', 'Paris',       'CDG'),
    ( 2, 'Paris to London',           'Weekend getaway!',              'Origin', 'ORG', 'Destination', 'DST'),
    ( 3, 'Dubai to Cairo',            'Middle East adventure',         'Origin', 'ORG', 'Destination', 'DST'),
    ( 4, 'Melbourne to Hawaii',       'Escape to the sun this winter', 'Origin', 'ORG', 'Destination', 'DST'),
    ( 5, 'Buenos Aires to Rio',       'Time to carnivale!',            'Origin', 'ORG', 'Destination', 'DST'),
    ( 6, 'Sydney to Rome',            'An Italian classic',            'Origin', 'ORG', 'Destination', 'DST'),
    ( 7, 'Melbourne to Sydney',       'Well trodden path',             'Origin', 'ORG', 'Destination', 'DST'),
    ( 8, 'Hong Kong to Kuala Lumpur', 'Hop step and a jump',           'Origin', 'ORG', 'Destination', 'DST'),
    ( 9, 'Lisbon to Madrid',          'Spanish adventure',             'Origin', 'ORG', 'Destination', 'DST'),
    (10, 'Aswan to Cairo',            'An experience of a lifetime',   'Origin', 'ORG', 'Destination', 'DST'),
    (11, 'New York to London',        'Trans-Atlantic',                'Origin', 'ORG', 'Destination', 'DST')
) AS sample (place, header, body, origin, origin_code, destination, destination_code)
ORDER BY place;
