CREATE TABLE portal.dunning (
    whmcs_invoice_id bigint PRIMARY KEY,
    account_id text NOT NULL,
    whmcs_client_id bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('trying', 'grace', 'suspended', 'settled', 'abandoned')),
    attempts integer NOT NULL DEFAULT 0,
    max_attempts integer NOT NULL,
    next_attempt_at timestamptz,
    suspend_on date,
    suspended_at timestamptz,
    last_decline_kind text,
    last_decline_code text,
    ended_reason text,
    due_on date NOT NULL,
    slot integer NOT NULL DEFAULT 0,
    next_step_at timestamptz,
    grace_seen integer NOT NULL DEFAULT 0,
    grace_seen_on date,
    methods_seen text[] NOT NULL DEFAULT '{}',
    methods_refused text[] NOT NULL DEFAULT '{}',
    subscription_ids text[] NOT NULL DEFAULT '{}',
    adopted_by text,
    round integer NOT NULL DEFAULT 0,
    looked_at timestamptz,
    asked_at timestamptz,
    version bigint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);

COMMENT ON TABLE portal.dunning IS 'Invoices whose charge failed or whose due date passed, and how far their dunning is: one row an invoice.';

COMMENT ON COLUMN portal.dunning.state IS 'trying (charges are repeated), grace (no more of them; suspension comes), suspended, settled (paid, or nothing is owed), abandoned (nothing more is done; ended_reason says why).';

COMMENT ON COLUMN portal.dunning.attempts IS 'Scheduled repetitions of the charge that were made. Customers'' and staff''s own attempts do not count, nor does the charge on the due date.';

COMMENT ON COLUMN portal.dunning.next_attempt_at IS 'When the charge is repeated next. Null: no repetition is planned, for example because the card was refused for good.';

COMMENT ON COLUMN portal.dunning.suspend_on IS 'The day of suspension as things stand. Null: nothing will be suspended.';

COMMENT ON COLUMN portal.dunning.slot IS 'Days of the schedule that have passed, whether a charge was possible or not.';

COMMENT ON COLUMN portal.dunning.next_step_at IS 'When the process looks at the row again.';

COMMENT ON COLUMN portal.dunning.round IS 'How often dunning of this invoice began again, for example after staff had moved its due date.';

COMMENT ON COLUMN portal.dunning.looked_at IS 'When the invoice was last read from WHMCS because the read models said that something had changed.';

COMMENT ON COLUMN portal.dunning.asked_at IS 'When a suspended invoice was last queued to be read again, in case the news of its payment was lost.';

COMMENT ON COLUMN portal.dunning.grace_seen IS 'Days of grace on which the process was at work. A day that it missed counts for the customer.';

CREATE INDEX dunning_due ON portal.dunning (next_step_at) WHERE ended_at IS NULL;

CREATE INDEX dunning_account ON portal.dunning (account_id);

CREATE TABLE portal.dunning_steps (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    whmcs_invoice_id bigint NOT NULL REFERENCES portal.dunning (whmcs_invoice_id) ON DELETE CASCADE,
    account_id text NOT NULL,
    round integer NOT NULL DEFAULT 0,
    step text NOT NULL,
    number integer NOT NULL DEFAULT 0,
    at timestamptz NOT NULL DEFAULT now(),
    detail jsonb NOT NULL DEFAULT '{}',
    UNIQUE (whmcs_invoice_id, round, step, number)
);

COMMENT ON TABLE portal.dunning_steps IS 'What the customer is told of dunning, each step once, written in the commit of its decision.';

COMMENT ON COLUMN portal.dunning_steps.step IS 'payment_failed, new_method_failed, new_card_needed, suspension_announced, suspended, restored, settled, abandoned. number tells repetitions apart: of payment_failed it is the attempt, 0 for the charge on the due date.';

CREATE INDEX dunning_steps_account ON portal.dunning_steps (account_id, at);

CREATE TABLE portal.dunning_holds (
    id bigserial PRIMARY KEY,
    account_id text NOT NULL,
    whmcs_invoice_id bigint,
    reason text NOT NULL,
    until date,
    placed_by text NOT NULL,
    placed_at timestamptz NOT NULL DEFAULT now(),
    lifted_by text,
    lifted_at timestamptz
);

COMMENT ON TABLE portal.dunning_holds IS 'Holds by staff, of one invoice or of all of an account: while one is in force nothing is charged or suspended. A hold without end is forgiveness.';

COMMENT ON COLUMN portal.dunning_holds.until IS 'The last day of the hold. Null: without end.';

CREATE INDEX dunning_holds_account ON portal.dunning_holds (account_id) WHERE lifted_at IS NULL;

CREATE TABLE portal.dunning_suspensions (
    whmcs_invoice_id bigint NOT NULL REFERENCES portal.dunning (whmcs_invoice_id) ON DELETE CASCADE,
    subscription_id text NOT NULL,
    account_id text NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT now(),
    suspended_at timestamptz,
    ended_at timestamptz,
    not_before timestamptz,
    outcome text CHECK (outcome IN ('restored', 'left')),
    PRIMARY KEY (whmcs_invoice_id, subscription_id)
);

COMMENT ON TABLE portal.dunning_suspensions IS 'Services that dunning suspended, each written before WHMCS is told. Only these are restored by a payment.';

COMMENT ON COLUMN portal.dunning_suspensions.not_before IS 'When restoring is tried again after it failed.';

COMMENT ON COLUMN portal.dunning_suspensions.outcome IS 'restored, or left as staff have changed it meanwhile.';

CREATE INDEX dunning_suspensions_open ON portal.dunning_suspensions (subscription_id) WHERE ended_at IS NULL;

CREATE TABLE portal.suspension_permits (
    day date PRIMARY KEY,
    most integer NOT NULL,
    permitted_by text NOT NULL,
    permitted_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE portal.suspension_permits IS 'Days on which staff permitted more suspensions than the bound allows.';
