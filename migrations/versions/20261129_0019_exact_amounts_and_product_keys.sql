CREATE FUNCTION generations.retype(slice text, change text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    shown regclass := format('read_model.%I', slice)::regclass;
    after text[];
    one record;
    statement text;
BEGIN
    SELECT array_agg(found.statement) INTO after FROM (
        SELECT CASE d.objsubid
                   WHEN 0 THEN format('COMMENT ON VIEW read_model.%I IS %L', slice, d.description)
                   ELSE format('COMMENT ON COLUMN read_model.%I.%I IS %L', slice, a.attname, d.description)
               END AS statement
        FROM pg_description d LEFT JOIN pg_attribute a ON (a.attrelid, a.attnum) = (d.objoid, d.objsubid)
        WHERE d.objoid = shown AND d.classoid = 'pg_class'::regclass
        UNION ALL
        SELECT format('GRANT %s ON read_model.%I TO %s', g.privilege_type, slice, coalesce(quote_ident(r.rolname), 'PUBLIC'))
        FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) g LEFT JOIN pg_roles r ON r.oid = g.grantee
        WHERE c.oid = shown AND g.grantee <> c.relowner
    ) AS found;
    EXECUTE format('DROP VIEW read_model.%I', slice);
    FOR one IN SELECT g.generation, g.state FROM read_model.generations g WHERE g.slice = retype.slice LOOP
        EXECUTE format('ALTER TABLE generations.%I %s', slice || '_' || one.generation, change);
        IF one.state = 'serving' THEN
            EXECUTE format('CREATE VIEW read_model.%I AS SELECT * FROM generations.%I', slice, slice || '_' || one.generation);
        END IF;
    END LOOP;
    FOREACH statement IN ARRAY coalesce(after, '{}') LOOP
        EXECUTE statement;
    END LOOP;
END $$;

COMMENT ON FUNCTION generations.retype IS 'Changes the types of columns in every generation of a slice: its view is made anew, with its comments and grants. Views of others on it must be dropped before.';

SELECT generations.retype('catalog', 'ALTER COLUMN unit_price TYPE numeric');

SELECT generations.retype('orders', 'ALTER COLUMN total_amount TYPE numeric');

SELECT generations.retype(
    'invoices',
    'ALTER COLUMN subtotal TYPE numeric, ALTER COLUMN tax TYPE numeric, ALTER COLUMN credit TYPE numeric, '
    'ALTER COLUMN total TYPE numeric, ALTER COLUMN balance TYPE numeric, ALTER COLUMN paid TYPE numeric, '
    'ALTER COLUMN refunded TYPE numeric'
);

SELECT generations.retype('subscriptions', 'ALTER COLUMN amount TYPE numeric');

ALTER TABLE portal.captures ALTER COLUMN amount TYPE numeric;

CREATE INDEX records_service_product ON mirror.records ((data ->> 'pid'), record_id) WHERE object = 'service';

CREATE INDEX records_product_key ON mirror.records (btrim(ltrim(split_part(data ->> 'WH_Product_ID__c', '.', 1), ' 0')))
WHERE object = 'Product2';

-- Where there is something to rebuild, the release rebuilds it by itself, beside the generation that serves.
UPDATE read_model.generations g SET projector_version = v.version
FROM (
    VALUES ('eligibility', 2), ('catalog', 3), ('orders', 3), ('timeline_orders', 2), ('invoices', 3), ('subscriptions', 4)
) AS v (slice, version)
WHERE g.slice = v.slice AND NOT EXISTS (SELECT FROM mirror.records);
