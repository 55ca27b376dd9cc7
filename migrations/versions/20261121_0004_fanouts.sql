CREATE TABLE ingest.fanouts (
    slice text NOT NULL,
    object text NOT NULL,
    record_id text NOT NULL,
    cursor text NOT NULL DEFAULT '',
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (slice, object, record_id)
);

COMMENT ON TABLE ingest.fanouts IS 'Records that very many rows refer to and that have changed: those rows are computed again in the background.';

CREATE VIEW read_model.parked AS
SELECT m.account_id, d.source, d.object, d.record_id, d.parked_at
FROM ingest.dead_letters d
JOIN ingest.inbox i ON i.id = d.entry_id
LEFT JOIN mirror.records r ON (r.source, r.object, r.record_id) = (d.source, d.object, d.record_id)
LEFT JOIN mirror.records p ON (p.source, p.record_id) = (d.source, coalesce(i.parent_id, r.parent_id)) AND p.owner_id IS NOT NULL
JOIN portal.id_mappings m
    ON (d.source = 'salesforce' AND m.salesforce_account_id = coalesce(i.owner_id, r.owner_id, p.owner_id))
    OR (d.source = 'whmcs' AND m.whmcs_client_id = coalesce(i.owner_id, r.owner_id, p.owner_id))
WHERE d.resolved_at IS NULL;

COMMENT ON VIEW read_model.parked IS 'Accounts with a change that could not be applied: their answers are only as fresh as parked_at.';

DROP INDEX mirror.records_object;

DROP INDEX mirror.records_owner;

DROP INDEX mirror.records_parent;

CREATE INDEX records_owner ON mirror.records (owner_id, object);

CREATE INDEX records_parent ON mirror.records (parent_id, object) WHERE parent_id IS NOT NULL;
