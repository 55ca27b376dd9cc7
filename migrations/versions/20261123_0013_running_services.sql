SELECT generations.reshape(
    'subscriptions',
    'ADD COLUMN cancellation text, ADD COLUMN cancellation_requested_on date, ADD COLUMN ends_on date'
);

COMMENT ON COLUMN read_model.subscriptions.cancellation IS 'now or end_of_period while a request to cancel waits to be carried out.';

COMMENT ON COLUMN read_model.subscriptions.ends_on IS 'Last day of a service whose cancellation waits for the end of its period.';

CREATE INDEX records_upgrade_invoice ON mirror.records ((data ->> 'invoice_id')) WHERE object = 'upgrade';

CREATE TABLE portal.plan_changes (
    change_id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    subscription_id text NOT NULL,
    whmcs_client_id text NOT NULL,
    command_digest text NOT NULL,
    category text NOT NULL,
    sku text NOT NULL,
    product_id text NOT NULL,
    product_name text NOT NULL,
    plan_code text NOT NULL,
    state text NOT NULL CHECK (state IN ('asked', 'awaiting_payment', 'providing', 'done', 'withdrawn', 'failed')),
    whmcs_order_id text,
    invoice_id text,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    error_code text,
    error_message text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE portal.plan_changes IS 'Changes of plan that customers asked for: journaled before WHMCS is asked, followed until whatever provides the service has the new plan.';

COMMENT ON COLUMN portal.plan_changes.state IS 'asked (WHMCS may or may not have heard), awaiting_payment, providing (WHMCS bills the new plan, the provider does not have it yet), done, withdrawn (not taken, or its invoice was cancelled), failed (staff must act).';

CREATE UNIQUE INDEX plan_changes_open ON portal.plan_changes (subscription_id) WHERE state IN ('asked', 'awaiting_payment', 'providing');

CREATE INDEX plan_changes_due ON portal.plan_changes (next_attempt_at) WHERE state IN ('asked', 'awaiting_payment', 'providing');

CREATE INDEX plan_changes_account ON portal.plan_changes (account_id);

-- Where there is something to rebuild, the release rebuilds it by itself, beside the generation that serves.
UPDATE read_model.generations SET projector_version = 2
WHERE slice = 'subscriptions' AND NOT EXISTS (SELECT FROM mirror.records);
