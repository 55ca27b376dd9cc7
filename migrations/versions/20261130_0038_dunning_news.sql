CREATE TABLE portal.dunning_news (
    whmcs_invoice_id bigint PRIMARY KEY REFERENCES portal.dunning (whmcs_invoice_id) ON DELETE CASCADE,
    account_id text NOT NULL,
    version bigint NOT NULL,
    seen_at timestamptz NOT NULL,
    recheck_at timestamptz,
    automators text NOT NULL,
    facts jsonb NOT NULL,
    subscription_ids text[] NOT NULL DEFAULT '{}',
    mailed_step bigint NOT NULL DEFAULT 0
);

COMMENT ON TABLE portal.dunning_news IS 'What customers were last shown of the dunning of an invoice: what the mirror holds of portal.dunning.';

COMMENT ON COLUMN portal.dunning_news.version IS 'Version of the mirrored record. It only grows.';

COMMENT ON COLUMN portal.dunning_news.seen_at IS 'portal.dunning.updated_at as it was shown.';

COMMENT ON COLUMN portal.dunning_news.recheck_at IS 'When it may say something else without a change of portal.dunning: a hold ends, a planned day passes. Null: never.';

COMMENT ON COLUMN portal.dunning_news.automators IS 'Who charged and who suspended, by setting, when it was shown.';

COMMENT ON COLUMN portal.dunning_news.mailed_step IS 'The last of portal.dunning_steps for which a mail was considered.';

CREATE INDEX dunning_news_recheck ON portal.dunning_news (recheck_at) WHERE recheck_at IS NOT NULL;

CREATE INDEX dunning_updated ON portal.dunning (updated_at);

CREATE INDEX dunning_news_account ON portal.dunning_news (account_id);

CREATE INDEX records_dunning_invoice ON mirror.records ((data ->> 'invoice_id')) WHERE object = 'service_dunning';

-- Where there is something to rebuild, the release rebuilds it by itself, beside the generation that serves.
UPDATE read_model.generations SET projector_version = v.version
FROM (VALUES ('invoices', 5), ('subscriptions', 7), ('timeline_invoices', 3), ('timeline_subscriptions', 5)) AS v (slice, version)
WHERE generations.slice = v.slice AND NOT EXISTS (SELECT FROM mirror.records);

ALTER TABLE portal.dunning_steps ADD COLUMN notice_id uuid NOT NULL DEFAULT gen_random_uuid();

CREATE INDEX dunning_steps_notice ON portal.dunning_steps (notice_id)
