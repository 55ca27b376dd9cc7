CREATE TABLE portal.sign_in_codes (
    code_hash bytea PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES portal.users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);

COMMENT ON TABLE portal.sign_in_codes IS 'Mailed codes that open a lockout for whoever reads the mailbox, beside the password and never in its place; only their hash is kept.';

CREATE INDEX sign_in_codes_user ON portal.sign_in_codes (user_id, created_at);

ALTER TABLE portal.password_resets ADD COLUMN used_from text;

COMMENT ON COLUMN portal.password_resets.used_from IS 'The address from which the link was used; it counts as one of the user''s own, as after a login.';

CREATE INDEX password_resets_user ON portal.password_resets (user_id, created_at);

CREATE INDEX mails_sent ON portal.mails (recipient, kind, finished_at) WHERE outcome = 'sent';

-- What strangers may ask for: however often, one such mail waits to be sent.
UPDATE portal.mails m SET finished_at = now(), outcome = 'given_up', error = 'asked for again'
WHERE finished_at IS NULL AND kind = 'password_reset' AND EXISTS (
    SELECT FROM portal.mails later WHERE later.finished_at IS NULL AND later.kind = m.kind
    AND later.recipient = m.recipient AND later.id > m.id);

CREATE UNIQUE INDEX mails_wished_for ON portal.mails (kind, recipient)
    WHERE finished_at IS NULL AND kind IN ('password_reset', 'sign_in_code');

UPDATE read_model.generations SET projector_version = 5
WHERE slice = 'subscriptions' AND NOT EXISTS (SELECT FROM mirror.records);

UPDATE read_model.generations SET projector_version = 3
WHERE slice = 'timeline_subscriptions' AND NOT EXISTS (SELECT FROM mirror.records);
