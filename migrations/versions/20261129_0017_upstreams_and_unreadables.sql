CREATE TABLE ingest.unreadables (
    source text NOT NULL,
    object text NOT NULL,
    field text NOT NULL,
    count bigint NOT NULL,
    record_id text NOT NULL,
    first_at timestamptz NOT NULL DEFAULT now(),
    last_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, object, field)
);

COMMENT ON TABLE ingest.unreadables IS 'Optional fields of upstream records that could not be read and count as absent: how often, and the record where it was seen last.';

CREATE TABLE read_model.upstreams (
    upstream text PRIMARY KEY CHECK (upstream IN ('salesforce', 'whmcs', 'freebit', 'whm')),
    state text NOT NULL DEFAULT 'closed' CHECK (state IN ('closed', 'open', 'half_open')),
    since timestamptz NOT NULL DEFAULT now(),
    retry_at timestamptz,
    probe_until timestamptz,
    failures integer NOT NULL DEFAULT 0,
    error text,
    updated_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE read_model.upstreams IS 'The circuit breaker of each upstream, shared by all processes.';

COMMENT ON COLUMN read_model.upstreams.state IS 'closed: calls go through. open: nobody calls before retry_at. half_open: one process probes until probe_until.';

COMMENT ON COLUMN read_model.upstreams.failures IS 'Outages since the breaker opened last; the pause grows with it.';
