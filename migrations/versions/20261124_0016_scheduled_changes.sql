CREATE TABLE portal.scheduled_changes (
    schedule_id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    subscription_id text NOT NULL,
    whmcs_client_id text NOT NULL,
    command_digest text NOT NULL,
    present_name text NOT NULL,
    sku text NOT NULL,
    product_name text NOT NULL,
    direction text NOT NULL CHECK (direction IN ('upgrade', 'downgrade')),
    monthly numeric NOT NULL,
    effective_date date NOT NULL,
    due_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'refused', 'cancelled')),
    invoice_id text,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    error_code text,
    error_message text,
    reason text,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);

COMMENT ON TABLE portal.scheduled_changes IS 'Changes of plan that customers asked for on a day to come: WHMCS knows none, so the worker asks it on the day.';

COMMENT ON COLUMN portal.scheduled_changes.state IS 'waiting, done (WHMCS took it; portal.plan_changes says how it went on), refused (it could not be made, and the customer was told), cancelled (by the customer, by a later wish, or because the service ends).';

COMMENT ON COLUMN portal.scheduled_changes.due_at IS 'When the day begins where the customer is.';

COMMENT ON COLUMN portal.scheduled_changes.monthly IS 'What a month cost when it was chosen; if it is dearer on the day, nothing is changed.';

COMMENT ON COLUMN portal.scheduled_changes.next_attempt_at IS 'When it is looked at next. Whoever takes it up moves it ahead first, so that nobody else does meanwhile.';

COMMENT ON COLUMN portal.scheduled_changes.error_message IS 'For staff; reason is what the customer is told.';

CREATE UNIQUE INDEX scheduled_changes_waiting ON portal.scheduled_changes (subscription_id) WHERE state = 'waiting';

CREATE INDEX scheduled_changes_due ON portal.scheduled_changes (next_attempt_at) WHERE state = 'waiting';

CREATE INDEX scheduled_changes_account ON portal.scheduled_changes (account_id);

CREATE INDEX scheduled_changes_refused ON portal.scheduled_changes (ended_at) WHERE state = 'refused';

ALTER TABLE portal.mails ADD COLUMN about uuid;

COMMENT ON COLUMN portal.mails.about IS 'The row that the mail is about, where its kind says of which table: portal.scheduled_changes.';

-- Where there is something to rebuild, the release rebuilds it by itself, beside the generation that serves.
UPDATE read_model.generations SET projector_version = 3
WHERE slice = 'subscriptions' AND NOT EXISTS (SELECT FROM mirror.records);

UPDATE read_model.generations SET projector_version = 2
WHERE slice = 'timeline_subscriptions' AND NOT EXISTS (SELECT FROM mirror.records);
