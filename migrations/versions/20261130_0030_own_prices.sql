CREATE TABLE read_model.prices (
    account_id uuid NOT NULL,
    price_id text NOT NULL,
    product_id text NOT NULL,
    product_name text NOT NULL,
    currency text NOT NULL,
    billing_cycle text NOT NULL,
    offered boolean NOT NULL,
    amount numeric,
    setup_fee numeric,
    version bigint NOT NULL,
    as_of timestamptz NOT NULL,
    PRIMARY KEY (account_id, price_id)
);

COMMENT ON TABLE read_model.prices IS 'WHMCS''s own product prices by currency and billing cycle. account_id is all zeros. A price that cannot be read has no row.';

COMMENT ON COLUMN read_model.prices.offered IS 'False for a cycle that WHMCS does not offer for the product; amount and setup_fee are null then.';

COMMENT ON COLUMN read_model.prices.amount IS 'Per period, or once for the cycle onetime. Whether it contains tax is a setting of WHMCS.';

SELECT generations.adopt('prices');

UPDATE read_model.generations SET projector_version = 0
WHERE slice = 'prices' AND EXISTS (SELECT FROM mirror.records);

SELECT generations.reshape('profiles', 'ADD COLUMN tax_exempt boolean');

COMMENT ON COLUMN read_model.profiles.tax_exempt IS 'Whether WHMCS charges the client no tax; null where it was not read yet.';

UPDATE read_model.generations SET projector_version = 2
WHERE slice = 'profiles' AND NOT EXISTS (SELECT FROM mirror.records);

-- Where there is something to rebuild, the release rebuilds it by itself, beside the generation that serves.
UPDATE read_model.generations SET projector_version = 4
WHERE slice = 'catalog' AND NOT EXISTS (SELECT FROM mirror.records);

CREATE OR REPLACE VIEW read_model.parked AS
SELECT m.account_id, e.source, e.object, e.record_id, e.parked_at
FROM portal.id_mappings m JOIN read_model.parked_entries e
    ON e.source = 'salesforce' AND e.owner_id = m.salesforce_account_id
UNION ALL
SELECT m.account_id, e.source, e.object, e.record_id, e.parked_at
FROM portal.id_mappings m JOIN read_model.parked_entries e ON e.source = 'whmcs' AND e.owner_id = m.whmcs_client_id
UNION ALL
SELECT m.account_id, e.source, e.object, e.record_id, e.parked_at
FROM read_model.parked_entries e
JOIN mirror.records p ON p.source = e.source AND p.object IN ('Order', 'Case', 'service', 'invoice')
    AND p.record_id = e.parent_id
JOIN portal.id_mappings m
    ON p.owner_id = CASE e.source WHEN 'salesforce' THEN m.salesforce_account_id ELSE m.whmcs_client_id END
WHERE e.owner_id IS NULL AND e.source IN ('salesforce', 'whmcs')
UNION ALL
SELECT '00000000-0000-0000-0000-000000000000'::uuid, e.source, e.object, e.record_id, e.parked_at
FROM read_model.parked_entries e
WHERE e.owner_id IS NULL
    AND e.object IN ('Product2', 'PricebookEntry', 'gateway', 'gateways', 'product', 'products', 'tax');

ALTER TABLE portal.plan_changes
    ADD COLUMN agreed_amount numeric,
    ADD COLUMN currency text,
    ADD COLUMN billing_cycle text;

COMMENT ON COLUMN portal.plan_changes.agreed_amount IS 'What the customer was shown as the price per period: set in WHMCS wherever its own differs, and read back. Null for changes of releases that did not ask.';

ALTER TABLE portal.scheduled_changes
    ADD COLUMN currency text,
    ADD COLUMN billing_cycle text;

COMMENT ON COLUMN portal.scheduled_changes.monthly IS 'What a period cost when the plan was chosen; if it is dearer on the day, nothing is changed.';

COMMENT ON COLUMN portal.scheduled_changes.billing_cycle IS 'The period of that price; null for changes of releases that knew months only.';
