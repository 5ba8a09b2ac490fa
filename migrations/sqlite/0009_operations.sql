-- Which root key a broker holds beside the one that it seals by: the next one, before it is the
-- one; null for none.
ALTER TABLE brokers ADD COLUMN next_key BLOB CHECK (length(next_key) = 16);

-- When this database was made from a backup, in microseconds; 0 for one that was not. Sidecars take
-- it for another history, as what was changed after the backup is gone. Nothing is granted by it.
ALTER TABLE head ADD COLUMN restored_at INTEGER NOT NULL DEFAULT 0 CHECK (restored_at >= 0);
