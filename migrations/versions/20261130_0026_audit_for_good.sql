CREATE OR REPLACE FUNCTION portal.refuse_to_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.address IS NULL AND to_jsonb(NEW) - 'address' = to_jsonb(OLD) - 'address' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'portal.audit is append-only';
END $$;

COMMENT ON FUNCTION portal.refuse_to_rewrite IS 'What was recorded stays as it is; only an address may be forgotten, which is personal data.';

CREATE TRIGGER never_emptied BEFORE TRUNCATE ON portal.audit
    FOR EACH STATEMENT EXECUTE FUNCTION portal.refuse_to_rewrite();

CREATE FUNCTION portal.forget_addresses(
    forgotten_user uuid, forgotten_account uuid, forgotten_number text, forgotten_client text
) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE portal.audit SET address = NULL
    WHERE address IS NOT NULL AND (
        user_id = forgotten_user OR account_id = forgotten_account
        OR action = 'sign_up' AND target = upper(forgotten_number)
        OR action IN ('link_account', 'prove_link', 'choose_billing_account') AND target = forgotten_client
    )
$$;

COMMENT ON FUNCTION portal.forget_addresses IS 'For an erasure of personal data, by a role that may not change portal.audit itself.';

REVOKE ALL ON FUNCTION portal.forget_addresses FROM PUBLIC;
