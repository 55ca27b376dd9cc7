CREATE TABLE portal.captures (
    invoice_id text PRIMARY KEY,
    account_id uuid NOT NULL,
    command_key text NOT NULL,
    amount numeric(18, 2) NOT NULL,
    sent_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    charged_at timestamptz
);

COMMENT ON TABLE portal.captures IS 'The last charge of each invoice that was sent to WHMCS and not refused. Without charged_at nobody knows yet what came of it.';

CREATE INDEX captures_account ON portal.captures (account_id);
