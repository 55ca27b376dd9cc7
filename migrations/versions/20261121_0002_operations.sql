ALTER TABLE ingest.notices ADD COLUMN told_at timestamptz;
COMMENT ON TABLE ingest.notices IS 'What each commit changed, per account version. Redis and subscribers hear of it once (told_at); kept a day, so that an event stream can resume.';
CREATE INDEX notices_untold ON ingest.notices (id) WHERE told_at IS NULL;
CREATE INDEX notices_account ON ingest.notices (account_id, version);
CREATE INDEX notices_told ON ingest.notices (told_at) WHERE told_at IS NOT NULL;

CREATE TABLE ingest.progress (
    operation text PRIMARY KEY,
    state jsonb NOT NULL DEFAULT '{}',
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE ingest.progress IS 'Where a long operation (backfill, reconcile) stands, so that it resumes: one row an operation and object.';

CREATE TABLE ingest.drift (
    id bigserial PRIMARY KEY,
    checked_at timestamptz NOT NULL DEFAULT now(),
    source text NOT NULL,
    object text NOT NULL,
    checked integer NOT NULL,
    differing integer NOT NULL
);
COMMENT ON TABLE ingest.drift IS 'What each reconciliation found: records checked, and those that differed from the mirror.';
CREATE INDEX drift_checked ON ingest.drift (checked_at);

CREATE TABLE ingest.canaries (
    feed text PRIMARY KEY,
    nonce text NOT NULL,
    sent_at timestamptz NOT NULL,
    seen_at timestamptz
);
COMMENT ON TABLE ingest.canaries IS 'The last harmless upstream change made to see that a feed still delivers, and when the mirror showed it.';

ALTER TABLE read_model.feeds
    ADD COLUMN state text NOT NULL DEFAULT 'live',
    ADD COLUMN last_event_at timestamptz,
    ADD COLUMN leader text,
    ADD COLUMN error text;
COMMENT ON COLUMN read_model.feeds.state IS 'live, connecting, resyncing, stalled.';
COMMENT ON COLUMN read_model.feeds.last_event_at IS 'The upstream time of the newest event received; keepalives do not count.';

CREATE TABLE read_model.pending (
    account_id uuid NOT NULL,
    slice text NOT NULL,
    item_id text NOT NULL,
    submission bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    summary bytea NOT NULL,
    document bytea NOT NULL,
    PRIMARY KEY (account_id, slice, item_id)
);
COMMENT ON TABLE read_model.pending IS 'Things a command has made upstream that no event has confirmed yet: shown under their final id, marked pending.';
CREATE INDEX pending_submission ON read_model.pending (submission);
