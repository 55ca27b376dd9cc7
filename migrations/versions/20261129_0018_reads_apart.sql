CREATE TABLE read_model.parked_entries (
    letter_id bigint PRIMARY KEY,
    source text NOT NULL,
    object text NOT NULL,
    record_id text NOT NULL,
    owner_id text,
    parent_id text,
    parked_at timestamptz NOT NULL
);

COMMENT ON TABLE read_model.parked_entries IS 'Changes that could not be applied: the open dead letters, as far as answers need to know of them. A trigger keeps it.';

COMMENT ON COLUMN read_model.parked_entries.owner_id IS 'The upstream owner as it was known when the change was parked; null where only the parent may tell one day.';

CREATE INDEX parked_entries_owner ON read_model.parked_entries (source, owner_id);

CREATE INDEX parked_entries_unowned ON read_model.parked_entries (letter_id) WHERE owner_id IS NULL;

CREATE FUNCTION read_model.keep_parked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM read_model.parked_entries WHERE letter_id = coalesce(NEW.id, OLD.id);
    IF TG_OP <> 'DELETE' AND NEW.resolved_at IS NULL THEN
        INSERT INTO read_model.parked_entries
        SELECT NEW.id, NEW.source, NEW.object, NEW.record_id, coalesce(i.owner_id, r.owner_id, p.owner_id),
               coalesce(i.parent_id, r.parent_id), NEW.parked_at
        FROM (SELECT 1) AS one
        LEFT JOIN ingest.inbox i ON i.id = NEW.entry_id
        LEFT JOIN mirror.records r ON (r.source, r.object, r.record_id) = (NEW.source, NEW.object, NEW.record_id)
        LEFT JOIN mirror.records p ON p.source = NEW.source AND p.object IN ('Order', 'Case', 'service', 'invoice')
            AND p.record_id = coalesce(i.parent_id, r.parent_id) AND p.owner_id IS NOT NULL
        LIMIT 1;
    END IF;
    RETURN NULL;
END $$;

COMMENT ON FUNCTION read_model.keep_parked IS 'Copies what answers need to know of a dead letter, so that no answer waits for a table of ingest.';

INSERT INTO read_model.parked_entries
SELECT DISTINCT ON (d.id) d.id, d.source, d.object, d.record_id, coalesce(i.owner_id, r.owner_id, p.owner_id),
       coalesce(i.parent_id, r.parent_id), d.parked_at
FROM ingest.dead_letters d
LEFT JOIN ingest.inbox i ON i.id = d.entry_id
LEFT JOIN mirror.records r ON (r.source, r.object, r.record_id) = (d.source, d.object, d.record_id)
LEFT JOIN mirror.records p ON p.source = d.source AND p.object IN ('Order', 'Case', 'service', 'invoice')
    AND p.record_id = coalesce(i.parent_id, r.parent_id) AND p.owner_id IS NOT NULL
WHERE d.resolved_at IS NULL;

DROP VIEW read_model.parked;

CREATE VIEW read_model.parked AS
SELECT m.account_id, e.source, e.object, e.record_id, e.parked_at
FROM portal.id_mappings m JOIN read_model.parked_entries e
    ON e.source = 'salesforce' AND e.owner_id = m.salesforce_account_id
UNION ALL
SELECT m.account_id, e.source, e.object, e.record_id, e.parked_at
FROM portal.id_mappings m JOIN read_model.parked_entries e ON e.source = 'whmcs' AND e.owner_id = m.whmcs_client_id
UNION ALL
SELECT m.account_id, e.source, e.object, e.record_id, e.parked_at
FROM read_model.parked_entries e
JOIN mirror.records p ON p.source = e.source AND p.object IN ('Order', 'Case', 'service', 'invoice')
    AND p.record_id = e.parent_id
JOIN portal.id_mappings m
    ON p.owner_id = CASE e.source WHEN 'salesforce' THEN m.salesforce_account_id ELSE m.whmcs_client_id END
WHERE e.owner_id IS NULL AND e.source IN ('salesforce', 'whmcs')
UNION ALL
SELECT '00000000-0000-0000-0000-000000000000'::uuid, e.source, e.object, e.record_id, e.parked_at
FROM read_model.parked_entries e
WHERE e.owner_id IS NULL AND e.object IN ('Product2', 'PricebookEntry', 'gateway', 'gateways');

COMMENT ON VIEW read_model.parked IS 'Accounts with a change that could not be applied: their answers are only as fresh as parked_at. What is everybody''s belongs to the account of zeros.';

DROP TRIGGER tell ON ingest.dead_letters;

DROP FUNCTION read_model.tell_parked();

CREATE FUNCTION read_model.tell_parked() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    entry read_model.parked_entries := coalesce(NEW, OLD);
    owner text := entry.owner_id;
BEGIN
    IF owner IS NULL THEN
        SELECT p.owner_id INTO owner FROM mirror.records p
        WHERE p.source = entry.source AND p.object IN ('Order', 'Case', 'service', 'invoice')
          AND p.record_id = entry.parent_id AND p.owner_id IS NOT NULL LIMIT 1;
    END IF;
    IF owner IS NULL THEN
        PERFORM pg_notify('portal_changed', 'a00000000-0000-0000-0000-000000000000');
    ELSIF entry.source = 'salesforce' THEN
        PERFORM pg_notify('portal_changed', 'a' || account_id) FROM portal.id_mappings WHERE salesforce_account_id = owner;
    ELSE
        PERFORM pg_notify('portal_changed', 'a' || account_id) FROM portal.id_mappings WHERE whmcs_client_id = owner;
    END IF;
    RETURN NULL;
END $$;

COMMENT ON FUNCTION read_model.tell_parked IS 'Tells whose change could not be applied, or need not be waited for any more.';

CREATE TRIGGER tell AFTER INSERT OR DELETE ON read_model.parked_entries
    FOR EACH ROW EXECUTE FUNCTION read_model.tell_parked();

CREATE TRIGGER keep AFTER INSERT OR UPDATE OR DELETE ON ingest.dead_letters
    FOR EACH ROW EXECUTE FUNCTION read_model.keep_parked();

ALTER TABLE read_model.feeds ADD COLUMN silent_since timestamptz;

COMMENT ON COLUMN read_model.feeds.silent_since IS 'Since when the feed is known to deliver nothing, though it may answer: a canary did not come back. Null while nothing speaks against it.';

CREATE FUNCTION read_model.tell_feed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('portal_changed', '*');
    RETURN NULL;
END $$;

COMMENT ON FUNCTION read_model.tell_feed IS 'A feed fell silent, or was heard again after a while: what it feeds is stale, or is not any more.';

CREATE TRIGGER tell AFTER UPDATE ON read_model.feeds FOR EACH ROW
    WHEN (NEW.feed NOT LIKE 'whmcs:%' AND NEW.feed NOT LIKE 'sweep:%'
          AND (OLD.silent_since IS DISTINCT FROM NEW.silent_since OR NEW.as_of - OLD.as_of > interval '5 minutes'))
    EXECUTE FUNCTION read_model.tell_feed();

SELECT generations.reshape(
    'invoices',
    'ALTER COLUMN subtotal DROP NOT NULL, ALTER COLUMN tax DROP NOT NULL, ALTER COLUMN credit DROP NOT NULL, '
    'ALTER COLUMN total DROP NOT NULL, ALTER COLUMN paid DROP NOT NULL, ALTER COLUMN refunded DROP NOT NULL, '
    'ALTER COLUMN balance DROP NOT NULL'
);

SELECT generations.reshape('subscriptions', 'ALTER COLUMN amount DROP NOT NULL');

COMMENT ON COLUMN read_model.invoices.balance IS 'Null where an amount that it needs cannot be read.';

COMMENT ON COLUMN read_model.subscriptions.amount IS 'Null where it cannot be read.';

-- Where there is something to rebuild, the release rebuilds it by itself, beside the generation that serves.
UPDATE read_model.generations SET projector_version = 3
WHERE slice = 'invoices' AND NOT EXISTS (SELECT FROM mirror.records);

UPDATE read_model.generations SET projector_version = 4
WHERE slice = 'subscriptions' AND NOT EXISTS (SELECT FROM mirror.records);
