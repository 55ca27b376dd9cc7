-- Channel portal_changed; a payload is words: a<account id>, s<hex of a session's token hash>, * for everything.

CREATE FUNCTION read_model.tell_accounts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM pg_notify('portal_changed', string_agg('a' || account_id, ' '))
        FROM (SELECT account_id, (row_number() OVER ()) / 200 AS part FROM fresh) AS x GROUP BY part;
    ELSE
        PERFORM pg_notify('portal_changed', string_agg('a' || account_id, ' '))
        FROM (SELECT f.account_id, (row_number() OVER ()) / 200 AS part FROM fresh f
              JOIN former USING (account_id) WHERE f.version <> former.version) AS x GROUP BY part;
    END IF;
    RETURN NULL;
END $$;

COMMENT ON FUNCTION read_model.tell_accounts IS 'Tells which accounts read differently from this commit on; 200 of them fit into one notification.';

CREATE TRIGGER tell_inserted AFTER INSERT ON read_model.account_versions REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION read_model.tell_accounts();

CREATE TRIGGER tell_updated AFTER UPDATE ON read_model.account_versions REFERENCING NEW TABLE AS fresh OLD TABLE AS former
    FOR EACH STATEMENT EXECUTE FUNCTION read_model.tell_accounts();

CREATE FUNCTION read_model.tell_swap() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('portal_changed', '*');
    RETURN NULL;
END $$;

COMMENT ON FUNCTION read_model.tell_swap IS 'Another generation serves: every account may read differently.';

CREATE TRIGGER tell_swapped AFTER UPDATE ON read_model.generations FOR EACH ROW
    WHEN ((OLD.state, OLD.epoch, OLD.projector_version) IS DISTINCT FROM (NEW.state, NEW.epoch, NEW.projector_version))
    EXECUTE FUNCTION read_model.tell_swap();

CREATE TRIGGER tell_removed AFTER DELETE ON read_model.generations FOR EACH ROW EXECUTE FUNCTION read_model.tell_swap();

CREATE FUNCTION read_model.tell_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('portal_changed', 'a' || coalesce(NEW.account_id, OLD.account_id));
    RETURN NULL;
END $$;

COMMENT ON FUNCTION read_model.tell_account IS 'Tells that the account of the row reads differently.';

CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON read_model.pending
    FOR EACH ROW EXECUTE FUNCTION read_model.tell_account();

CREATE FUNCTION read_model.tell_mapping() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('portal_changed', 'a' || coalesce(NEW.account_id, OLD.account_id));
    PERFORM pg_notify('portal_changed', 's' || encode(token_hash, 'hex')) FROM portal.sessions
    WHERE user_id IN (NEW.user_id, OLD.user_id) AND revoked_at IS NULL AND expires_at > now();
    RETURN NULL;
END $$;

COMMENT ON FUNCTION read_model.tell_mapping IS 'Tells that an account is another upstream''s or user''s, or is one now.';

CREATE TRIGGER tell_linked AFTER INSERT OR DELETE ON portal.id_mappings
    FOR EACH ROW EXECUTE FUNCTION read_model.tell_mapping();

CREATE TRIGGER tell_changed AFTER UPDATE ON portal.id_mappings FOR EACH ROW
    WHEN ((OLD.account_id, OLD.user_id, OLD.whmcs_client_id, OLD.salesforce_account_id)
          IS DISTINCT FROM (NEW.account_id, NEW.user_id, NEW.whmcs_client_id, NEW.salesforce_account_id))
    EXECUTE FUNCTION read_model.tell_mapping();

CREATE FUNCTION read_model.tell_session() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('portal_changed', 's' || encode(OLD.token_hash, 'hex'));
    RETURN NULL;
END $$;

COMMENT ON FUNCTION read_model.tell_session IS 'Tells that a session has ended or is another than it was.';

CREATE TRIGGER tell_changed AFTER UPDATE ON portal.sessions FOR EACH ROW
    WHEN (NEW.last_seen_at < OLD.last_seen_at OR (OLD.token_hash, OLD.user_id, OLD.mfa, OLD.revoked_at, OLD.expires_at)
          IS DISTINCT FROM (NEW.token_hash, NEW.user_id, NEW.mfa, NEW.revoked_at, NEW.expires_at))
    EXECUTE FUNCTION read_model.tell_session();

CREATE TRIGGER tell_removed AFTER DELETE ON portal.sessions FOR EACH ROW
    WHEN (OLD.revoked_at IS NULL AND OLD.expires_at > now()) EXECUTE FUNCTION read_model.tell_session();

CREATE FUNCTION read_model.tell_user_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('portal_changed', 's' || encode(token_hash, 'hex')) FROM portal.sessions
    WHERE user_id = NEW.id AND revoked_at IS NULL AND expires_at > now();
    RETURN NULL;
END $$;

COMMENT ON FUNCTION read_model.tell_user_sessions IS 'Tells that the sessions of a user open other doors.';

CREATE TRIGGER tell_changed AFTER UPDATE ON portal.users FOR EACH ROW
    WHEN (OLD.role IS DISTINCT FROM NEW.role) EXECUTE FUNCTION read_model.tell_user_sessions();

CREATE FUNCTION read_model.tell_parked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('portal_changed', 'a' || m.account_id)
    FROM ingest.inbox i
    LEFT JOIN mirror.records r ON (r.source, r.object, r.record_id) = (i.source, i.object, i.record_id)
    LEFT JOIN mirror.records p
        ON (p.source, p.record_id) = (i.source, coalesce(i.parent_id, r.parent_id)) AND p.owner_id IS NOT NULL
    JOIN portal.id_mappings m ON coalesce(i.owner_id, r.owner_id, p.owner_id)
        = CASE i.source WHEN 'salesforce' THEN m.salesforce_account_id ELSE m.whmcs_client_id END
    WHERE i.id = coalesce(NEW.entry_id, OLD.entry_id);
    RETURN NULL;
END $$;

COMMENT ON FUNCTION read_model.tell_parked IS 'Tells whose change could not be applied, or need not be waited for any more.';

CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON ingest.dead_letters
    FOR EACH ROW EXECUTE FUNCTION read_model.tell_parked();
