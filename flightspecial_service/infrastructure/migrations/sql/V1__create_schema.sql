CREATE SCHEMA IF NOT EXISTS "${flyway:defaultSchema}";
