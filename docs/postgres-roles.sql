-- Roles of the broker's database: run by its owner, connected to it, once the tables are there
-- (`secretref-broker init` or `migrate` as the owner), and again after an upgrade. Whoever owns
-- the tables can do everything, so nobody connects as the owner but for these two.
--
--   secretref_broker      what brokers connect as: adds to the audit trail and to the log of
--                         authority, and can neither change nor remove what is in them
--   secretref_retention   what `secretref-broker prune-trail` connects as: reads the trail and
--                         removes from it, and can add nothing
--
-- Passwords, or another way to be let in, are yours to set: ALTER ROLE secretref_broker PASSWORD …
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'secretref_broker') THEN
        CREATE ROLE secretref_broker LOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'secretref_retention') THEN
        CREATE ROLE secretref_retention LOGIN;
    END IF;
END $$;

GRANT USAGE ON SCHEMA public TO secretref_broker, secretref_retention;

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO secretref_broker;
REVOKE UPDATE, DELETE, TRUNCATE ON audit, audit_checkpoints, audit_tree, authority_log
    FROM secretref_broker;
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON audit_beginning, _sqlx_migrations FROM secretref_broker;

REVOKE ALL ON ALL TABLES IN SCHEMA public FROM secretref_retention;
GRANT SELECT ON audit, audit_checkpoints, audit_tree TO secretref_retention;
GRANT DELETE ON audit, audit_checkpoints TO secretref_retention;
GRANT SELECT, INSERT, UPDATE ON audit_beginning TO secretref_retention;
