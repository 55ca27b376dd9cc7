SELECT generations.reshape('invoices', 'ADD COLUMN subscription_ids text NOT NULL DEFAULT ''''');

COMMENT ON COLUMN read_model.invoices.subscription_ids IS 'The services that the invoice bills, ids with a blank between them: use string_to_array(subscription_ids, '' '').';

-- What the documents name already, so that no list is empty until the release has computed them again.
UPDATE read_model.invoices SET subscription_ids = (
    SELECT coalesce(string_agg(DISTINCT line ->> 'subscription_id', ' '), '')
    FROM jsonb_array_elements(convert_from(document, 'UTF8')::jsonb -> 'items') AS line
    WHERE line ->> 'subscription_id' IS NOT NULL
);

SELECT generations.reshape('payment_methods', 'ADD COLUMN is_default boolean');

COMMENT ON COLUMN read_model.payment_methods.is_default IS 'Whether WHMCS charges this one; null while it does not tell.';

SELECT generations.reshape('profiles', 'ADD COLUMN billing_contact_id text');

COMMENT ON COLUMN read_model.profiles.billing_contact_id IS 'The contact that invoices are addressed to; 0 for the client itself, null until the client was read again.';

-- WHMCS's line names an upgrade order, which no action reads; the portal knows the service of those that it ordered.
INSERT INTO mirror.records (
    source, object, record_id, parent_id, owner_id, data, version, deleted, occurred_at, verified_at
)
SELECT DISTINCT ON (invoice_id)
    'whmcs', 'invoice_upgrade', invoice_id || ':', invoice_id, whmcs_client_id,
    jsonb_build_object('upgrade_id', '', 'service_id', subscription_id),
    (extract(epoch FROM created_at) * 1000)::bigint, false, created_at, created_at
FROM portal.plan_changes WHERE invoice_id IS NOT NULL
ORDER BY invoice_id, created_at DESC;

-- Of a payment method nothing is kept but type, brand, last four digits, expiry and default.
UPDATE mirror.records SET data = data - 'description' - 'gateway_name' WHERE object = 'pay_method' AND source = 'whmcs';

UPDATE ingest.inbox SET data = data - 'description' - 'gateway_name' WHERE object = 'pay_method' AND source = 'whmcs';

-- Where there is something to rebuild, the release rebuilds it by itself, beside the generation that serves.
UPDATE read_model.generations g SET projector_version = v.version
FROM (VALUES ('invoices', 4), ('timeline_invoices', 2), ('payment_methods', 2), ('profiles', 2)) AS v (slice, version)
WHERE g.slice = v.slice AND NOT EXISTS (SELECT FROM mirror.records)
