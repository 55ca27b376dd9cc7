ALTER TABLE mirror.records ADD COLUMN stage_count int NOT NULL DEFAULT 0;

COMMENT ON COLUMN mirror.records.stage_count IS 'Stages that this record went through since they are counted. Versions have a resolution of one second, so the count orders stages within one.';

ALTER TABLE portal.fulfilments ADD COLUMN approval text;

COMMENT ON COLUMN portal.fulfilments.approval IS 'read_model.orders.approval that this fulfilment follows. A later one continues it when it is paused, failed or cancelled. Null: from before approvals were known.';

CREATE INDEX fulfilments_unadopted ON portal.fulfilments (order_id) WHERE approval IS NULL AND state <> 'done';

SELECT generations.reshape('orders', 'ADD COLUMN approval text');

SELECT generations.reshape('orders', 'ADD COLUMN approved_despite text');

DO $$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT generation FROM read_model.generations WHERE slice = 'orders' LOOP
        EXECUTE format(
            'CREATE INDEX %I ON generations.%I (order_id) WHERE review_status IN (''Approved'', ''Reactivate'')',
            'orders_' || one.generation || '_continued', 'orders_' || one.generation
        );
    END LOOP;
END $$;

COMMENT ON COLUMN read_model.orders.approval IS 'The stage in which staff last approved or reactivated the order; empty for one that was approved when it was first seen.';

COMMENT ON COLUMN read_model.orders.approved_despite IS 'Activation_Error_Code__c that the order had when staff last approved or reactivated it.';

COMMENT ON COLUMN read_model.orders.status IS 'Derived for customers: in_review, approved, created, activating, awaiting_payment_method, awaiting_payment, paused, active, cancelled, rejected.';

-- Where there is something to rebuild, the release rebuilds it by itself, beside the generation that serves.
UPDATE read_model.generations g SET projector_version = v.version
FROM (VALUES ('orders', 4), ('timeline_orders', 3)) AS v (slice, version)
WHERE g.slice = v.slice AND NOT EXISTS (SELECT FROM mirror.records);
