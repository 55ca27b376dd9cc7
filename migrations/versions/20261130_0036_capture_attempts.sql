CREATE TABLE portal.capture_attempts (
    attempt_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    invoice_id text NOT NULL,
    account_id uuid NOT NULL,
    command_key text NOT NULL,
    initiator text NOT NULL CHECK (initiator IN ('customer', 'staff', 'dunning')),
    amount numeric NOT NULL,
    currency text NOT NULL,
    pay_method_id text,
    card_type text,
    card_last_four text,
    sent_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    outcome text CHECK (outcome IN ('charged', 'declined', 'not_charged')),
    ended_at timestamptz,
    decline_kind text CHECK (decline_kind IN ('hard', 'soft', 'unknown')),
    decline_reason text,
    decline_code text,
    decline_text text,
    gateway_entry_id bigint,
    transaction_id text,
    before jsonb,
    looked_at timestamptz,
    resolved_by text,
    evidence text,
    CHECK ((outcome IS NULL) = (ended_at IS NULL)),
    CHECK ((outcome IS NOT DISTINCT FROM 'declined') = (decline_kind IS NOT NULL))
);

COMMENT ON TABLE portal.capture_attempts IS 'Every charge that was sent to WHMCS. portal.captures holds the last one of each invoice and keeps a second one from being sent.';

COMMENT ON COLUMN portal.capture_attempts.outcome IS 'Null: in doubt, nobody knows yet what came of it.';

COMMENT ON COLUMN portal.capture_attempts.pay_method_id IS 'The method that WHMCS lists first, which it charges; null where that is not known.';

COMMENT ON COLUMN portal.capture_attempts.decline_kind IS 'hard: repeating it is of no use. soft: it may succeed later. unknown: nothing tells.';

COMMENT ON COLUMN portal.capture_attempts.decline_reason IS 'The portal''s word for the reason; empty: nothing tells.';

COMMENT ON COLUMN portal.capture_attempts.decline_code IS 'The code as the gateway gave it; empty: none.';

COMMENT ON COLUMN portal.capture_attempts.decline_text IS 'The gateway''s text for staff, without numbers, addresses and names that it may have held.';

COMMENT ON COLUMN portal.capture_attempts.gateway_entry_id IS 'The entry of WHMCS''s gateway log that told the reason, so that no later attempt is explained by it.';

COMMENT ON COLUMN portal.capture_attempts.transaction_id IS 'The payment in WHMCS that this attempt made, once it is known.';

COMMENT ON COLUMN portal.capture_attempts.before IS 'What WHMCS showed before the charge was sent: the time of the last attempt, and the ids of the payments. Null: not recorded.';

COMMENT ON COLUMN portal.capture_attempts.resolved_by IS 'Who stated the outcome of an attempt in doubt; null where WHMCS showed it.';

COMMENT ON COLUMN portal.capture_attempts.evidence IS 'What ended a doubt: what WHMCS showed, or what staff stated.';

CREATE INDEX capture_attempts_invoice ON portal.capture_attempts (invoice_id, attempt_id);

CREATE INDEX capture_attempts_account ON portal.capture_attempts (account_id, sent_at);

CREATE INDEX capture_attempts_doubt ON portal.capture_attempts (sent_at) WHERE outcome IS NULL;

CREATE INDEX capture_attempts_stated ON portal.capture_attempts (invoice_id) WHERE outcome = 'charged' AND resolved_by IS NOT NULL;

CREATE INDEX capture_attempts_ended ON portal.capture_attempts (ended_at) WHERE outcome IS NOT NULL;

-- Charges under way, or without an answer, when this is applied. The currency is that of the invoice as last read.
INSERT INTO portal.capture_attempts (invoice_id, account_id, command_key, initiator, amount, currency, sent_at, outcome, ended_at)
SELECT c.invoice_id, c.account_id, c.command_key, 'customer', c.amount, coalesce(i.currency, ''), c.sent_at,
       CASE WHEN c.charged_at IS NOT NULL THEN 'charged' END, c.charged_at
FROM portal.captures c LEFT JOIN read_model.invoices i USING (account_id, invoice_id)
ORDER BY c.sent_at;
