CREATE TABLE ingest.client_merges (
    former_client_id text PRIMARY KEY,
    into_client_id text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE ingest.client_merges IS 'WHMCS clients that staff merged into another although both have a portal account: what was agreed with the one holds for the other.';
