CREATE TABLE read_model.timeline_orders (
    account_id uuid NOT NULL,
    entry_id text NOT NULL,
    record_id text NOT NULL,
    at timestamptz NOT NULL,
    area text NOT NULL,
    kind text NOT NULL,
    notifies boolean NOT NULL,
    version bigint NOT NULL,
    as_of timestamptz NOT NULL,
    document bytea NOT NULL,
    PRIMARY KEY (account_id, entry_id)
);

CREATE INDEX timeline_orders_at ON read_model.timeline_orders (account_id, at DESC, entry_id DESC);

CREATE INDEX timeline_orders_record ON read_model.timeline_orders (account_id, record_id);

CREATE TABLE read_model.timeline_invoices (LIKE read_model.timeline_orders INCLUDING ALL);

CREATE TABLE read_model.timeline_subscriptions (LIKE read_model.timeline_orders INCLUDING ALL);

CREATE TABLE read_model.timeline_cases (LIKE read_model.timeline_orders INCLUDING ALL);

COMMENT ON TABLE read_model.timeline_orders IS 'Every state an order was seen to enter. Read read_model.timeline for all areas.';

COMMENT ON TABLE read_model.timeline_invoices IS 'Invoices issued, overdue, charged in vain, paid, refunded, cancelled. at may lie ahead.';

COMMENT ON TABLE read_model.timeline_subscriptions IS 'Services registered, activated, suspended, ended.';

COMMENT ON TABLE read_model.timeline_cases IS 'Support cases opened, answered by staff, closed.';

SELECT generations.adopt(slice) FROM unnest(
    ARRAY['timeline_orders', 'timeline_invoices', 'timeline_subscriptions', 'timeline_cases']
) AS s (slice);

CREATE VIEW read_model.timeline AS
SELECT * FROM read_model.timeline_orders
UNION ALL SELECT * FROM read_model.timeline_invoices
UNION ALL SELECT * FROM read_model.timeline_subscriptions
UNION ALL SELECT * FROM read_model.timeline_cases;

COMMENT ON VIEW read_model.timeline IS 'One history of an account over orders, billing, services and cases. Entries that notifies are its notifications.';

UPDATE read_model.generations SET projector_version = 0
WHERE starts_with(slice, 'timeline_') AND EXISTS (SELECT FROM mirror.records);

CREATE TABLE portal.notification_reads (
    account_id uuid NOT NULL,
    entry_id text NOT NULL,
    read_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, entry_id)
);

COMMENT ON TABLE portal.notification_reads IS 'Which notifications were read. Their ids outlive a rebuild of the timeline, so these marks do too.';
