SELECT generations.reshape('orders', 'ADD COLUMN search text');

SELECT generations.reshape('invoices', 'ADD COLUMN search text');

SELECT generations.reshape('subscriptions', 'ADD COLUMN sku text, ADD COLUMN order_id text, ADD COLUMN search text');

COMMENT ON COLUMN read_model.orders.search IS 'What a customer finds the order by, folded: number, id, names and SKUs of its items, ids of its services.';

COMMENT ON COLUMN read_model.invoices.search IS 'What a customer finds the invoice by, folded: number, id, descriptions of its lines.';

COMMENT ON COLUMN read_model.subscriptions.search IS 'What a customer finds the service by, folded: name, id, SKU, domain, phone number, names of its add-ons.';

COMMENT ON COLUMN read_model.subscriptions.sku IS 'SKU of the plan in the catalog. Null: no product has its number in WHMCS, or several could be meant.';

COMMENT ON COLUMN read_model.subscriptions.order_id IS 'The account''s Salesforce order with the same WHMCS order. Null: staff set the service up, or several orders name that WHMCS order.';

CREATE INDEX records_order_key ON mirror.records (btrim(ltrim(split_part(data ->> 'WHMCS_Order_ID__c', '.', 1), ' 0')))
WHERE object = 'Order';

CREATE INDEX records_service_order ON mirror.records ((data ->> 'orderid'), record_id) WHERE object = 'service';

-- Where there is something to rebuild, the release rebuilds it by itself, beside the generation that serves.
UPDATE read_model.generations g SET projector_version = v.version
FROM (VALUES ('orders', 6), ('subscriptions', 9), ('invoices', 6)) AS v (slice, version)
WHERE g.slice = v.slice AND NOT EXISTS (SELECT FROM mirror.records);
