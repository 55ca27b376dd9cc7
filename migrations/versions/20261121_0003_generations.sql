CREATE SCHEMA generations;

COMMENT ON SCHEMA generations IS 'The tables behind the views of read_model, one a generation of a slice. Read the views.';

CREATE TABLE read_model.generations (
    slice text NOT NULL,
    generation integer NOT NULL,
    projector_version integer NOT NULL,
    state text NOT NULL CHECK (state IN ('filling', 'ready', 'serving', 'retired')),
    epoch integer NOT NULL DEFAULT 0,
    cursor text NOT NULL DEFAULT '',
    filled bigint NOT NULL DEFAULT 0,
    expected bigint NOT NULL DEFAULT 0,
    report jsonb NOT NULL DEFAULT '{}',
    started_at timestamptz NOT NULL DEFAULT now(),
    served_at timestamptz,
    retired_at timestamptz,
    PRIMARY KEY (slice, generation)
);

COMMENT ON TABLE read_model.generations IS 'Every generation of every slice: filling from the mirror, ready to be compared, serving, or retired and still fed.';

COMMENT ON COLUMN read_model.generations.epoch IS 'How often the slice had changed its serving generation when this one last began to serve.';

COMMENT ON COLUMN read_model.generations.cursor IS 'The last root or owner filled; filling goes on behind it.';

CREATE UNIQUE INDEX generations_serving ON read_model.generations (slice) WHERE state = 'serving';

CREATE FUNCTION generations.adopt(slice text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    meaning text := obj_description(format('read_model.%I', slice)::regclass);
    one record;
BEGIN
    EXECUTE format('ALTER TABLE read_model.%I SET SCHEMA generations', slice);
    EXECUTE format('ALTER TABLE generations.%I RENAME TO %I', slice, slice || '_1');
    EXECUTE format('CREATE VIEW read_model.%I AS SELECT * FROM generations.%I', slice, slice || '_1');
    EXECUTE format('COMMENT ON VIEW read_model.%I IS %L', slice, meaning);
    FOR one IN
        SELECT a.attname, col_description(a.attrelid, a.attnum) AS meaning
        FROM pg_attribute a
        WHERE a.attrelid = format('generations.%I', slice || '_1')::regclass AND a.attnum > 0 AND NOT a.attisdropped
          AND col_description(a.attrelid, a.attnum) IS NOT NULL
    LOOP
        EXECUTE format('COMMENT ON COLUMN read_model.%I.%I IS %L', slice, one.attname, one.meaning);
    END LOOP;
    INSERT INTO read_model.generations (slice, generation, projector_version, state, epoch, served_at)
    VALUES (slice, 1, 1, 'serving', 1, now());
END $$;

COMMENT ON FUNCTION generations.adopt IS 'Turns a new table read_model.<slice> into the first generation behind a view of that name.';

CREATE FUNCTION generations.reshape(slice text, change text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT g.generation, g.state FROM read_model.generations g WHERE g.slice = reshape.slice LOOP
        EXECUTE format('ALTER TABLE generations.%I %s', slice || '_' || one.generation, change);
        IF one.state = 'serving' THEN
            EXECUTE format(
                'CREATE OR REPLACE VIEW read_model.%I AS SELECT * FROM generations.%I', slice, slice || '_' || one.generation
            );
        END IF;
    END LOOP;
END $$;

COMMENT ON FUNCTION generations.reshape IS 'Changes the table of every generation of a slice alike, e.g. generations.reshape(''orders'', ''ADD COLUMN note text'').';

SELECT generations.adopt('catalog');

SELECT generations.adopt('eligibility');

SELECT generations.adopt('freshness');

SELECT generations.adopt('gateways');

SELECT generations.adopt('invoices');

SELECT generations.adopt('orders');

SELECT generations.adopt('payment_methods');

SELECT generations.adopt('profiles');

SELECT generations.adopt('subscriptions');

ALTER TABLE read_model.documents
    ADD COLUMN slice text NOT NULL DEFAULT 'catalog',
    ADD COLUMN generation integer NOT NULL DEFAULT 1,
    ADD COLUMN item_id text NOT NULL DEFAULT '',
    DROP CONSTRAINT documents_pkey,
    ADD PRIMARY KEY (account_id, name, generation);

ALTER TABLE read_model.documents ALTER COLUMN slice DROP DEFAULT, ALTER COLUMN generation DROP DEFAULT;

COMMENT ON COLUMN read_model.documents.body IS 'Ready JSON; empty where the document is gone, so that its copies learn of it.';

CREATE INDEX documents_slice ON read_model.documents (slice, generation, account_id, item_id);

