ALTER TABLE mirror.records
    ADD COLUMN read_at timestamptz,
    ADD COLUMN heard_at timestamptz,
    ADD COLUMN read_version bigint;

COMMENT ON COLUMN mirror.records.read_at IS 'When the latest of the applied reads began; null when the record is known from events only.';

COMMENT ON COLUMN mirror.records.heard_at IS 'When the last event about the record was received; a read that began before it may lack what the event said.';

COMMENT ON COLUMN mirror.records.read_version IS 'The highest version that an applied read showed.';

-- Deletions that were concluded from a read bore the instant of that read, which is later than any stamp of Salesforce:
-- a record that lives could not come back.
UPDATE mirror.records SET version = 0 WHERE source = 'salesforce' AND deleted AND version % 1000 <> 0;

ALTER TABLE ingest.dead_letters DROP CONSTRAINT dead_letters_resolution_check;

ALTER TABLE ingest.dead_letters ADD CONSTRAINT dead_letters_resolution_check
    CHECK (resolution IN ('retried', 'discarded', 'superseded'));
