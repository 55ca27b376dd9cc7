CREATE TABLE portal.erasures (
    account_id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    email_hash bytea NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    steps text[] NOT NULL DEFAULT '{}',
    finished_at timestamptz
);

COMMENT ON TABLE portal.erasures IS 'Customers whose personal data was erased, and how far that is. Kept for good: it is what keeps the data from coming back.';

COMMENT ON COLUMN portal.erasures.email_hash IS 'SHA-256 of the address in lower case, so that asking once more finds the erasure.';

CREATE TABLE portal.erased_owners (
    source text NOT NULL,
    owner_id text NOT NULL,
    account_id uuid NOT NULL REFERENCES portal.erasures (account_id),
    PRIMARY KEY (source, owner_id)
);

COMMENT ON TABLE portal.erased_owners IS 'Upstream ids of erased customers: of their records the mirror takes in amounts, dates and states alone.';
