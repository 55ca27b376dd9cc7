CREATE TABLE portal.enrolments (
    id uuid PRIMARY KEY,
    token_hash bytea NOT NULL UNIQUE,
    purpose text NOT NULL CHECK (purpose IN ('sign_up', 'link')),
    subject text NOT NULL,
    sealed_facts bytea NOT NULL,
    provable boolean NOT NULL DEFAULT true,
    whmcs_client_ids text[] NOT NULL DEFAULT '{}',
    tries integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);

COMMENT ON TABLE portal.enrolments IS 'Sign-ups and links between their steps. The token itself is never stored; it is replaced at every step and used once.';

COMMENT ON COLUMN portal.enrolments.subject IS 'Of whom it is: the customer number of a sign-up, the WHMCS user of a link.';

COMMENT ON COLUMN portal.enrolments.sealed_facts IS 'What was asked for and what is known by now, encrypted with a key derived from PORTAL_SECRET; emptied once used.';

COMMENT ON COLUMN portal.enrolments.provable IS 'Whether a mailed code can prove it; false after an unknown number or a wrong fact, which the caller is not told.';

CREATE INDEX enrolments_subject ON portal.enrolments (purpose, subject, created_at);

CREATE TABLE portal.invitations (
    id uuid PRIMARY KEY,
    customer_number text NOT NULL,
    code_hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);

COMMENT ON TABLE portal.invitations IS 'Codes that operators have printed in letters, for one sign-up each; only their SHA-256.';

CREATE UNIQUE INDEX invitations_open ON portal.invitations (customer_number) WHERE used_at IS NULL;

CREATE INDEX mails_recipient ON portal.mails (recipient, requested_at);

COMMENT ON TABLE portal.link_tokens IS 'Written by the release before this one, while both run.';
