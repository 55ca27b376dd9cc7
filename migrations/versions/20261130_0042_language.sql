SELECT generations.reshape('profiles', 'ADD COLUMN language text');

ALTER TABLE read_model.pending ADD COLUMN reason_phrases jsonb NOT NULL DEFAULT '[]';

COMMENT ON COLUMN read_model.pending.reason_phrases IS 'The codes and parameters of reason, by which it is said in other languages.';

ALTER TABLE portal.commands ADD COLUMN error_phrases jsonb NOT NULL DEFAULT '[]';

COMMENT ON COLUMN portal.commands.error_phrases IS 'The codes and parameters of error, by which it is said in other languages.';

ALTER TABLE portal.mails ADD COLUMN language text CHECK (language IN ('en', 'ja'));

COMMENT ON COLUMN portal.mails.language IS 'The language of the request that caused the mail; null for the recipient''s own.';

-- Where there is something to rebuild, the release rebuilds it by itself, beside the generation that serves.
UPDATE read_model.generations g SET projector_version = v.version
FROM (VALUES ('profiles', 3), ('orders', 6), ('subscriptions', 9), ('timeline_orders', 4),
    ('timeline_cases', 2), ('timeline_invoices', 4), ('timeline_subscriptions', 6), ('invoices', 6), ('eligibility', 4)) AS v (slice, version)
WHERE g.slice = v.slice AND NOT EXISTS (SELECT FROM mirror.records)
