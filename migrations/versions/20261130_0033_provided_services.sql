CREATE TABLE portal.provided_services (
    subscription_id text PRIMARY KEY,
    account_id uuid NOT NULL,
    order_id text NOT NULL,
    provider text NOT NULL CHECK (provider IN ('whm', 'freebit')),
    account_name text NOT NULL,
    state text NOT NULL CHECK (state IN ('following', 'settled', 'staff')),
    seen text NOT NULL,
    product_id text,
    desired text CHECK (desired IN ('active', 'suspended', 'removed')),
    actual text CHECK (actual IN ('active', 'suspended', 'removed')),
    actual_at timestamptz,
    step text,
    step_at timestamptz,
    remove_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    error_code text,
    error_message text,
    task_code text,
    task_message text,
    task_key text,
    case_id text,
    version bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (provider, account_name)
);

COMMENT ON TABLE portal.provided_services IS 'Services that the portal provisioned, and how far their providers follow what WHMCS says. Services of others are never in here.';

COMMENT ON COLUMN portal.provided_services.account_name IS 'The WHM user name, or the phone number of a line.';

COMMENT ON COLUMN portal.provided_services.state IS 'following (something is to be done or waited for), settled (provider and WHMCS agree, or nothing is known that may be acted on), staff (a member of staff must act; a Salesforce case says so).';

COMMENT ON COLUMN portal.provided_services.seen IS 'Status and product in the read model when the service was last taken up. Empty: never.';

COMMENT ON COLUMN portal.provided_services.product_id IS 'The WHMCS product whose plan the provider is known to have.';

COMMENT ON COLUMN portal.provided_services.actual IS 'What the provider confirmed last.';

COMMENT ON COLUMN portal.provided_services.step IS 'A write that was begun and is not confirmed: suspend, unsuspend, change_package, remove, change_plan, cancel.';

COMMENT ON COLUMN portal.provided_services.remove_at IS 'When an ended service may be removed at the earliest. Null: it has not ended.';

COMMENT ON COLUMN portal.provided_services.task_key IS 'External id of the Salesforce case, chosen before it is opened, so that it is opened once.';

CREATE INDEX provided_services_due ON portal.provided_services (next_attempt_at) WHERE state IN ('following', 'staff');

CREATE INDEX provided_services_account ON portal.provided_services (account_id);

CREATE TABLE portal.provider_steps (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subscription_id text NOT NULL REFERENCES portal.provided_services (subscription_id) ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT now(),
    step text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('begun', 'confirmed', 'failed', 'staff')),
    detail jsonb NOT NULL DEFAULT '{}'
);

COMMENT ON TABLE portal.provider_steps IS 'What was done at providers for provided services: every write before it is made, every confirmation and every task for staff.';

CREATE INDEX provider_steps_service ON portal.provider_steps (subscription_id, id);

CREATE INDEX provider_steps_removals ON portal.provider_steps (at) WHERE step IN ('remove', 'cancel') AND outcome = 'begun';

CREATE TABLE read_model.provider_accounts (
    account_id uuid NOT NULL,
    account_name text NOT NULL,
    present boolean NOT NULL,
    domain text NOT NULL,
    package text NOT NULL,
    suspended boolean,
    suspended_by text NOT NULL,
    suspend_reason text NOT NULL,
    disk_limit_megabytes bigint,
    version bigint NOT NULL,
    as_of timestamptz NOT NULL,
    PRIMARY KEY (account_id, account_name)
);

COMMENT ON TABLE read_model.provider_accounts IS 'Hosting accounts that the portal provisioned, as WHM has them. Not present: WHM says that there is none.';

COMMENT ON COLUMN read_model.provider_accounts.suspended IS 'Null where WHM did not say it readably.';

COMMENT ON COLUMN read_model.provider_accounts.suspended_by IS 'portal or others; empty unless it is suspended.';

COMMENT ON COLUMN read_model.provider_accounts.disk_limit_megabytes IS 'Null: unlimited or unknown.';

SELECT generations.adopt('provider_accounts');

-- What runs already is the baseline: its differences are reported, and followed once something changes or staff repair them.
INSERT INTO portal.provided_services (subscription_id, account_id, order_id, provider, account_name, state, seen, product_id)
SELECT DISTINCT ON (provider, account_name) subscription_id, account_id, order_id, provider, account_name, 'settled',
       upstream_status || '/' || coalesce(product_id, ''), product_id
FROM (
    SELECT s.subscription_id, f.account_id, f.order_id, p.provider, p.account_name, s.upstream_status, s.product_id,
           count(*) OVER (PARTITION BY f.order_id, s.category) AS alike
    FROM portal.fulfilments f
    CROSS JOIN LATERAL (VALUES ('whm', 'hosting', f.facts ->> 'hosting_username'), ('freebit', 'sim', f.facts ->> 'sim_account'))
        AS p (provider, category, account_name)
    JOIN read_model.subscriptions s ON s.account_id = f.account_id AND s.category = p.category
        AND s.whmcs_order_id = f.facts ->> 'whmcs_order_id'
    WHERE f.state = 'done' AND p.account_name IS NOT NULL
) AS found
WHERE alike = 1
ORDER BY provider, account_name, subscription_id;

-- Where there is something to rebuild, the release rebuilds it by itself, beside the generation that serves.
UPDATE read_model.generations SET projector_version = 6
WHERE slice = 'subscriptions' AND NOT EXISTS (SELECT FROM mirror.records)
