SELECT generations.reshape('orders', 'ADD COLUMN billing_currency text');

COMMENT ON COLUMN read_model.orders.total_amount IS 'What the order costs at first, set-up fees included, in the column currency. Null if a price is unknown.';

COMMENT ON COLUMN read_model.orders.currency IS 'Currency of total_amount: billing_currency, or that of the price book where the order records none.';

COMMENT ON COLUMN read_model.orders.billing_currency IS 'The currency that the customer was billed in when the order was placed, as the order records it. Null: nothing was recorded, so total_amount is right only for customers who are billed in the column currency (read_model.profiles.currency).';

-- Where there is something to rebuild, the release rebuilds it by itself, beside the generation that serves.
UPDATE read_model.generations g SET projector_version = v.version
FROM (VALUES ('orders', 5), ('subscriptions', 7), ('charges', 2)) AS v (slice, version)
WHERE g.slice = v.slice AND NOT EXISTS (SELECT FROM mirror.records);
