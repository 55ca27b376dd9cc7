CREATE TABLE portal.account_exports (
    account_id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    export_id uuid NOT NULL UNIQUE,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'ready', 'failed')),
    requested_at timestamptz NOT NULL DEFAULT now(),
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0,
    ready_at timestamptz,
    expires_at timestamptz,
    size_bytes bigint,
    archive bytea,
    CHECK ((state = 'ready') = (archive IS NOT NULL)),
    CHECK ((state = 'waiting') = (expires_at IS NULL))
);

COMMENT ON TABLE portal.account_exports IS 'Customers'' own exports of their personal data: at most one an account, deleted when it expires.';

COMMENT ON COLUMN portal.account_exports.user_id IS 'Who asked for it; nobody else may download it.';

COMMENT ON COLUMN portal.account_exports.archive IS 'The ZIP file.';

ALTER TABLE portal.account_exports ALTER COLUMN archive SET STORAGE EXTERNAL;

CREATE INDEX account_exports_waiting ON portal.account_exports (next_attempt_at) WHERE state = 'waiting';

CREATE INDEX account_exports_expiry ON portal.account_exports (expires_at);
