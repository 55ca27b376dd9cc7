CREATE TABLE read_model.outages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    upstream text NOT NULL,
    reason text NOT NULL,
    began_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX outages_upstream ON read_model.outages (upstream, id);

COMMENT ON TABLE read_model.outages IS 'The latest outages of each upstream, from which Retry-After is estimated: the last fifty per upstream.';

COMMENT ON COLUMN read_model.outages.reason IS 'Why its breaker was open when it closed: outage, limit or auth.';

ALTER TABLE portal.commands
    DROP CONSTRAINT commands_state_check,
    ADD CONSTRAINT commands_state_check CHECK (state IN ('running', 'queued', 'done', 'failed'));

ALTER TABLE read_model.pending
    DROP CONSTRAINT pending_state_check,
    ADD CONSTRAINT pending_state_check CHECK (state IN ('queued', 'pending', 'rejected', 'given_up'));

COMMENT ON COLUMN read_model.pending.state IS 'queued: not sent yet, its upstream is away. pending: being sent. rejected and given_up stay for a while, so that every page of the customer learns of it.';

CREATE TABLE portal.queued_commands (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    command_id uuid NOT NULL UNIQUE,
    account_id uuid NOT NULL,
    user_id uuid NOT NULL,
    session_id uuid,
    name text NOT NULL,
    request bytea NOT NULL,
    command_key text NOT NULL,
    address text NOT NULL,
    request_id text NOT NULL,
    upstreams text[] NOT NULL,
    waits_for text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    repeated boolean NOT NULL DEFAULT false,
    revoked boolean NOT NULL DEFAULT false,
    queued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempted_at timestamptz,
    next_attempt_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE INDEX queued_commands_account ON portal.queued_commands (account_id, sequence);

CREATE INDEX queued_commands_user ON portal.queued_commands (user_id);

COMMENT ON TABLE portal.queued_commands IS 'Commands that wait for an upstream to come back, in the order in which they were accepted. portal.commands has their state.';

COMMENT ON COLUMN portal.queued_commands.upstreams IS 'The upstreams that the command needs; it waits for earlier commands of its account that share one.';

COMMENT ON COLUMN portal.queued_commands.repeated IS 'An earlier attempt may have taken effect, so the next one looks before it writes.';

COMMENT ON COLUMN portal.queued_commands.revoked IS 'The session that sent it was ended for the sake of safety: it is not run.'
