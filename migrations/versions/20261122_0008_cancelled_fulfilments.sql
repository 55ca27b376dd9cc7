ALTER TABLE portal.fulfilments DROP CONSTRAINT fulfilments_state_check;

ALTER TABLE portal.fulfilments ADD CONSTRAINT fulfilments_state_check
    CHECK (state IN ('running', 'paused', 'done', 'failed', 'cancelled'));

COMMENT ON COLUMN portal.fulfilments.state IS 'running, paused (goes on by itself once its cause is gone), done, failed (staff must act), cancelled (by staff; what had been done was undone).';

CREATE INDEX fulfilments_open ON portal.fulfilments (updated_at) WHERE state IN ('running', 'paused', 'failed');
