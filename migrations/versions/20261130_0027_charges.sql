CREATE TABLE read_model.charges (
    account_id uuid NOT NULL,
    charge_id text NOT NULL,
    product_id text,
    product_name text NOT NULL,
    category text NOT NULL,
    item_class text NOT NULL,
    status text NOT NULL,
    upstream_status text NOT NULL,
    billing_cycle text NOT NULL,
    amount numeric,
    currency text NOT NULL,
    registered_on date,
    next_due_on date,
    whmcs_order_id text,
    sort_id bigint NOT NULL,
    version bigint NOT NULL,
    as_of timestamptz NOT NULL,
    summary bytea NOT NULL,
    PRIMARY KEY (account_id, charge_id)
);

COMMENT ON TABLE read_model.charges IS 'What WHMCS bills like a service and is none: fees, in instalments too, and whatever is billed once. Never count these as services.';

COMMENT ON COLUMN read_model.charges.item_class IS 'installation, activation, or another class for a product that is billed once; other where the catalog does not know it.';

COMMENT ON COLUMN read_model.charges.amount IS 'Billed once, or each cycle of instalments; null where it cannot be read.';

COMMENT ON COLUMN read_model.charges.whmcs_order_id IS 'The order of the service that it belongs to: a row of subscriptions with the same order and category.';

SELECT generations.adopt('charges');

SELECT generations.reshape('subscriptions', 'ADD COLUMN item_class text');

COMMENT ON VIEW read_model.subscriptions IS 'Services: WHMCS products of a client that recur, plans and add-ons. Fees and whatever is billed once are in charges.';

COMMENT ON COLUMN read_model.subscriptions.item_class IS 'service (a plan), add_on, or other where the catalog does not know the product; an add-on is no line of its own.';

COMMENT ON COLUMN read_model.subscriptions.billing_cycle IS 'free, monthly, quarterly, semiannually, annually, biennially, triennially, unknown. The same words in catalog and charges, there with onetime.';

COMMENT ON COLUMN read_model.catalog.billing_cycle IS 'monthly, onetime, or another cycle, by which the portal does not sell; see subscriptions.';

-- Where there is something to rebuild, the release rebuilds it by itself, beside the generation that serves.
UPDATE read_model.generations SET projector_version = 0
WHERE slice = 'charges' AND EXISTS (SELECT FROM mirror.records);

UPDATE read_model.generations g SET projector_version = v.version
FROM (
    VALUES ('catalog', 4), ('orders', 4), ('subscriptions', 6), ('timeline_orders', 3), ('timeline_subscriptions', 4)
) AS v (slice, version)
WHERE g.slice = v.slice AND NOT EXISTS (SELECT FROM mirror.records);
