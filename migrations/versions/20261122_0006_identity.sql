ALTER TABLE portal.users ADD COLUMN password_changed_at timestamptz NOT NULL DEFAULT now();

ALTER TABLE portal.sessions ADD COLUMN mfa boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN portal.sessions.mfa IS 'Whether a second factor was proven when the session began, or in it.';

CREATE TABLE portal.totp (
    user_id uuid PRIMARY KEY REFERENCES portal.users (id) ON DELETE CASCADE,
    secret bytea NOT NULL,
    last_step bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    confirmed_at timestamptz
);

COMMENT ON TABLE portal.totp IS 'Second factors (RFC 6238). In force once confirmed.';

COMMENT ON COLUMN portal.totp.secret IS 'Sealed with a key derived from PORTAL_SECRET.';

COMMENT ON COLUMN portal.totp.last_step IS 'Number of the time step whose code was taken last: no code is taken twice.';

CREATE TABLE portal.recovery_codes (
    user_id uuid NOT NULL REFERENCES portal.users (id) ON DELETE CASCADE,
    code_hash bytea NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (user_id, code_hash)
);

COMMENT ON TABLE portal.recovery_codes IS 'Single-use codes of 80 random bits for a lost second factor; only their SHA-256.';

CREATE TABLE portal.password_resets (
    token_hash bytea PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES portal.users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);

COMMENT ON TABLE portal.password_resets IS 'Single-use proofs that somebody reads a user''s mail; the token itself is never stored.';

CREATE TABLE portal.mails (
    id bigserial PRIMARY KEY,
    kind text NOT NULL,
    recipient text NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    outcome text CHECK (outcome IN ('sent', 'nobody', 'given_up')),
    error text
);

COMMENT ON TABLE portal.mails IS 'Mails to send, without their text: it is written when they are sent, and holds what is stored nowhere.';

CREATE INDEX mails_open ON portal.mails (next_attempt_at) WHERE finished_at IS NULL;

CREATE FUNCTION portal.refuse_to_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('portal.erasing', true) = 'on' THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    RAISE EXCEPTION 'portal.audit is append-only';
END $$;

COMMENT ON FUNCTION portal.refuse_to_rewrite IS 'Only an erasure of personal data, which says so by SET LOCAL portal.erasing = on, may change what was recorded.';

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON portal.audit
    FOR EACH ROW EXECUTE FUNCTION portal.refuse_to_rewrite();

CREATE INDEX audit_account ON portal.audit (account_id, id);

ALTER TABLE portal.id_mappings ADD COLUMN told_at timestamptz;

ALTER TABLE portal.id_mappings ADD COLUMN sign_in_told_at timestamptz;

COMMENT ON COLUMN portal.id_mappings.told_at IS 'When Salesforce was told that the account is in the portal.';

COMMENT ON COLUMN portal.id_mappings.sign_in_told_at IS 'The last sign-in that Salesforce was told of.';

CREATE INDEX id_mappings_untold ON portal.id_mappings (linked_at) WHERE told_at IS NULL;

CREATE INDEX sessions_created ON portal.sessions (created_at);
