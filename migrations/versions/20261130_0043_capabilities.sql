CREATE TABLE read_model.outages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    upstream text NOT NULL,
    reason text NOT NULL,
    began_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX outages_upstream ON read_model.outages (upstream, id);

COMMENT ON TABLE read_model.outages IS 'The latest outages of each upstream, from which Retry-After is estimated: the last fifty per upstream.';

COMMENT ON COLUMN read_model.outages.reason IS 'Why its breaker was open when it closed: outage, limit or auth.'
