ALTER TABLE ingest.notices ADD COLUMN outcome text
    CHECK (outcome IN ('shown', 'unchanged', 'rejected', 'given_up'));

COMMENT ON COLUMN ingest.notices.outcome IS 'How a command ended; only where slice is commands, and item_id is its id.';

ALTER TABLE read_model.pending
    ADD COLUMN command_id uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD COLUMN command text NOT NULL DEFAULT '',
    ADD COLUMN state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'rejected', 'given_up')),
    ADD COLUMN value jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN recheck jsonb,
    ADD COLUMN applied boolean NOT NULL DEFAULT false,
    ADD COLUMN reason_code text,
    ADD COLUMN reason text,
    ADD COLUMN ended_at timestamptz,
    ALTER COLUMN submission DROP NOT NULL,
    ALTER COLUMN summary DROP NOT NULL,
    ALTER COLUMN document DROP NOT NULL,
    DROP CONSTRAINT pending_pkey,
    ADD PRIMARY KEY (account_id, slice, item_id, command_id);

CREATE INDEX pending_command ON read_model.pending (command_id);

COMMENT ON TABLE read_model.pending IS 'Writes of commands that no read model shows yet: recorded before the upstream is called, gone with the commit that shows them.';

COMMENT ON COLUMN read_model.pending.item_id IS 'The item written; empty where an account has one of the kind, or while a new one has no id.';

COMMENT ON COLUMN read_model.pending.submission IS 'Changes in the inbox that show the write once they are settled; null until the upstream has answered.';

COMMENT ON COLUMN read_model.pending.state IS 'pending; rejected and given_up stay for a while, so that every page of the customer learns of it.';

COMMENT ON COLUMN read_model.pending.value IS 'What was written, as the command names it.';

COMMENT ON COLUMN read_model.pending.recheck IS 'Where to look upstream when nobody knows whether the write took effect: source, object, id.';

COMMENT ON COLUMN read_model.pending.reason IS 'Why it was rejected, in a sentence for the customer.';

COMMENT ON COLUMN read_model.pending.applied IS 'One of the changes in the submission changed the mirror.';

CREATE INDEX inbox_discarded ON ingest.inbox (submission) WHERE outcome = 'discarded';

ALTER TABLE portal.commands
    ADD COLUMN account_version bigint,
    ADD COLUMN attempts integer NOT NULL DEFAULT 1,
    ADD COLUMN error_code text,
    ADD COLUMN error text,
    ADD COLUMN retry_at timestamptz,
    ADD COLUMN steps jsonb NOT NULL DEFAULT '[]';

COMMENT ON COLUMN portal.commands.account_version IS 'The account version that the first answer includes.';

COMMENT ON COLUMN portal.commands.steps IS 'The calls of upstreams: upstream, operation, attempt, outcome, error code.'
