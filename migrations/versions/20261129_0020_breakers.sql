ALTER TABLE read_model.upstreams
    ADD COLUMN reason text CHECK (reason IN ('outage', 'limit', 'auth')),
    ADD COLUMN version bigint NOT NULL DEFAULT 1;

COMMENT ON COLUMN read_model.upstreams.reason IS 'Why it is not closed. outage: it does not answer. limit: it asked us to wait. auth: it refuses our credentials.';

COMMENT ON COLUMN read_model.upstreams.version IS 'Grows with every change, so that a process sees whether it knows the present state.';
