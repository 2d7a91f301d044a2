-- The roles of a PostgreSQL of one's own, for psql, run once by a superuser:
--   psql --set=owner_password=… --set=app_password=… --set=reader_password=… --file=migrations/roles.sql
-- `leaderboard_owner` migrates (DATABASE_URL of `python -m app migrate`), `leaderboard_app` works with the rows
-- (DATABASE_URL of `serve` and `worker`), `leaderboard_reader` only reads (READ_DATABASE_URL). None is a superuser, and
-- none but the owner can change the schema.

CREATE ROLE leaderboard_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE leaderboard_app LOGIN PASSWORD :'app_password';
CREATE ROLE leaderboard_reader LOGIN PASSWORD :'reader_password';
ALTER ROLE leaderboard_reader SET default_transaction_read_only = on;

CREATE DATABASE leaderboard OWNER leaderboard_owner ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'
    LOCALE 'C' TEMPLATE template0;
REVOKE ALL ON DATABASE leaderboard FROM PUBLIC;
GRANT CONNECT ON DATABASE leaderboard TO leaderboard_app, leaderboard_reader;

\connect leaderboard
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT CREATE ON SCHEMA public TO leaderboard_owner;
ALTER DEFAULT PRIVILEGES FOR ROLE leaderboard_owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO leaderboard_app;
ALTER DEFAULT PRIVILEGES FOR ROLE leaderboard_owner GRANT USAGE, SELECT ON SEQUENCES TO leaderboard_app;
ALTER DEFAULT PRIVILEGES FOR ROLE leaderboard_owner GRANT SELECT ON TABLES TO leaderboard_reader;
-- So that a large import can renew the planner's statistics; PostgreSQL 16 knows no such right and skips it by a warning.
SELECT current_setting('server_version_num')::int >= 170000 AS has_maintain \gset
\if :has_maintain
ALTER DEFAULT PRIVILEGES FOR ROLE leaderboard_owner GRANT MAINTAIN ON TABLES TO leaderboard_app;
\endif
