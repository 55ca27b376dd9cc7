CREATE TABLE portal.provision_steps (
    order_id text NOT NULL REFERENCES portal.fulfilments (order_id),
    position smallint NOT NULL,
    step text NOT NULL,
    parameters jsonb NOT NULL DEFAULT '{}',
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'paused', 'done', 'failed', 'skipped')),
    attempt integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    error_code text,
    error_message text,
    facts jsonb NOT NULL DEFAULT '{}',
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_id, position)
);

COMMENT ON TABLE portal.provision_steps IS 'What is set up after an order was activated, as the template had it then. Its tries stand in portal.fulfilment_steps.';

COMMENT ON COLUMN portal.provision_steps.state IS 'running (those behind it wait), paused (tried again by itself, those behind it go on), done, failed (staff must act, those behind it go on), skipped (staff leave it as it is).';

COMMENT ON COLUMN portal.provision_steps.facts IS 'What earlier tries learned: instants. No secrets, no passwords.';

CREATE INDEX provision_steps_open ON portal.provision_steps (next_attempt_at) WHERE state IN ('running', 'paused');

CREATE INDEX provision_steps_unfinished ON portal.provision_steps (order_id) WHERE state NOT IN ('done', 'skipped');
