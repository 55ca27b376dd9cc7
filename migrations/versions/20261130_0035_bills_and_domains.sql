COMMENT ON COLUMN read_model.invoices.subscription_ids IS 'What the invoice bills, ids with a blank between them: use string_to_array(subscription_ids, '' ''). Those of services are in subscriptions, those of fees in charges.';

-- Where there is something to rebuild, the release rebuilds it by itself, beside the generation that serves.
UPDATE read_model.generations g SET projector_version = v.version
FROM (VALUES ('timeline_invoices', 3)) AS v (slice, version)
WHERE g.slice = v.slice AND NOT EXISTS (SELECT FROM mirror.records);

CREATE INDEX records_order_domain ON mirror.records (lower(btrim(data ->> 'Domain__c'))) WHERE object = 'Order';

DO $$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT generation FROM read_model.generations WHERE slice = 'subscriptions' LOOP
        EXECUTE format(
            'CREATE INDEX %I ON generations.%I (lower(btrim(domain))) WHERE category = ''hosting''',
            'subscriptions_' || one.generation || '_domain', 'subscriptions_' || one.generation
        );
    END LOOP;
END $$
