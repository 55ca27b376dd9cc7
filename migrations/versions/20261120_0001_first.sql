CREATE SCHEMA portal;
CREATE SCHEMA ingest;
CREATE SCHEMA mirror;
CREATE SCHEMA read_model;

COMMENT ON SCHEMA portal IS 'Identity, id mapping, sessions, audit and the journals of commands: the only truth the portal owns.';
COMMENT ON SCHEMA ingest IS 'What happened upstream, as it arrived: inbox, replay checkpoints, dead letters, notices.';
COMMENT ON SCHEMA mirror IS 'The last whole record of every upstream object the read models are made of.';
COMMENT ON SCHEMA read_model IS 'What queries and analysts read. A pure function of mirror; may be dropped and rebuilt.';

CREATE TABLE portal.users (
    id uuid PRIMARY KEY,
    email text NOT NULL,
    password_hash text NOT NULL,
    first_name text NOT NULL DEFAULT '',
    last_name text NOT NULL DEFAULT '',
    role text NOT NULL DEFAULT 'customer' CHECK (role IN ('customer', 'support', 'operator', 'analyst')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_email ON portal.users (lower(email));

CREATE TABLE portal.id_mappings (
    account_id uuid PRIMARY KEY,
    user_id uuid NOT NULL UNIQUE REFERENCES portal.users (id),
    whmcs_client_id text NOT NULL UNIQUE,
    salesforce_account_id text NOT NULL UNIQUE,
    customer_number text NOT NULL UNIQUE,
    linked_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE portal.id_mappings IS 'portal account <-> WHMCS client <-> Salesforce account, one to one to one.';

CREATE TABLE portal.signups (
    customer_number text PRIMARY KEY,
    email text NOT NULL,
    step text NOT NULL,
    salesforce_account_id text NOT NULL,
    whmcs_client_id text,
    started_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
COMMENT ON TABLE portal.signups IS 'Journal of sign-ups, so that a retry finishes what a crash left and never makes a second WHMCS client.';

CREATE TABLE portal.link_tokens (
    token_hash bytea PRIMARY KEY,
    email text NOT NULL,
    first_name text NOT NULL,
    last_name text NOT NULL,
    whmcs_client_id text NOT NULL,
    salesforce_account_id text NOT NULL,
    salesforce_account_name text NOT NULL,
    customer_number text NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
COMMENT ON TABLE portal.link_tokens IS 'Single-use proofs that somebody owns a billing client; the token itself is never stored.';

CREATE TABLE portal.sessions (
    id uuid PRIMARY KEY,
    token_hash bytea NOT NULL UNIQUE,
    user_id uuid NOT NULL REFERENCES portal.users (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    address text,
    user_agent text
);
COMMENT ON COLUMN portal.sessions.token_hash IS 'SHA-256 of the opaque 256-bit token; the token itself is never stored.';
CREATE INDEX sessions_user ON portal.sessions (user_id) WHERE revoked_at IS NULL;

CREATE TABLE portal.audit (
    id bigserial PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    action text NOT NULL,
    outcome text NOT NULL,
    user_id uuid,
    account_id uuid,
    target text,
    request_id text,
    address text,
    detail jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE portal.audit IS 'Append-only: who did what, when, from where, with which outcome. No secrets.';

CREATE TABLE portal.commands (
    id uuid PRIMARY KEY,
    scope text NOT NULL,
    idempotency_key text NOT NULL,
    name text NOT NULL,
    account_id uuid,
    body_hash bytea NOT NULL,
    state text NOT NULL CHECK (state IN ('running', 'done', 'failed')),
    locked_until timestamptz NOT NULL,
    submission bigint,
    response_status integer,
    response_body bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    UNIQUE (scope, idempotency_key)
);
COMMENT ON TABLE portal.commands IS 'The command ledger: one row an idempotency key, with the first answer; kept 24 h.';

CREATE TABLE portal.fulfilments (
    order_id text PRIMARY KEY,
    account_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('running', 'paused', 'done', 'failed')),
    step text NOT NULL,
    attempt integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    error_code text,
    error_message text,
    facts jsonb NOT NULL DEFAULT '{}',
    started_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
COMMENT ON COLUMN portal.fulfilments.facts IS 'What earlier steps learned: upstream ids, chosen usernames. No secrets.';
CREATE INDEX fulfilments_due ON portal.fulfilments (next_attempt_at) WHERE state IN ('running', 'paused');

CREATE TABLE portal.fulfilment_steps (
    id bigserial PRIMARY KEY,
    order_id text NOT NULL REFERENCES portal.fulfilments (order_id),
    step text NOT NULL,
    attempt integer NOT NULL,
    outcome text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX fulfilment_steps_order ON portal.fulfilment_steps (order_id, id);

CREATE SEQUENCE ingest.submissions;

CREATE TABLE ingest.inbox (
    id bigserial PRIMARY KEY,
    source text NOT NULL,
    event_id text NOT NULL,
    object text NOT NULL,
    record_id text NOT NULL,
    kind text NOT NULL,
    origin text NOT NULL,
    version bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    owner_id text,
    parent_id text,
    read_at timestamptz,
    echo boolean NOT NULL DEFAULT false,
    data jsonb NOT NULL DEFAULT '{}',
    submission bigint NOT NULL,
    lane text NOT NULL CHECK (lane IN ('apply', 'fetch')),
    shard smallint NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    settled_at timestamptz,
    outcome text,
    UNIQUE (source, event_id)
);
COMMENT ON TABLE ingest.inbox IS 'Every change, written before it is acknowledged. The row is the truth, a job is only a wake-up.';
COMMENT ON COLUMN ingest.inbox.lane IS 'apply: pure database work; fetch: the record must be read again upstream first.';
CREATE INDEX inbox_open ON ingest.inbox (lane, shard, id) WHERE settled_at IS NULL;
COMMENT ON COLUMN ingest.inbox.submission IS 'One number for all entries of one submit and the re-reads they cause: what a consistency token waits for.';
CREATE INDEX inbox_submission ON ingest.inbox (submission) WHERE settled_at IS NULL;
CREATE INDEX inbox_postponed ON ingest.inbox (source, object, record_id, id) WHERE settled_at IS NULL AND attempts > 0;
CREATE INDEX inbox_record ON ingest.inbox (source, object, record_id, id);

CREATE TABLE ingest.checkpoints (
    feed text PRIMARY KEY,
    replay_id bytea,
    committed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN ingest.checkpoints.replay_id IS 'Opaque position, stored verbatim, committed with the events it covers.';

CREATE TABLE ingest.dead_letters (
    id bigserial PRIMARY KEY,
    entry_id bigint NOT NULL UNIQUE,
    source text NOT NULL,
    object text NOT NULL,
    record_id text NOT NULL,
    error text NOT NULL,
    stack text NOT NULL,
    attempts integer NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT now(),
    resolution text CHECK (resolution IN ('retried', 'discarded')),
    resolved_at timestamptz
);
CREATE INDEX dead_letters_open ON ingest.dead_letters (source, object, record_id) WHERE resolved_at IS NULL;

CREATE TABLE ingest.notices (
    id bigserial PRIMARY KEY,
    account_id uuid NOT NULL,
    slice text NOT NULL,
    item_id text NOT NULL,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE ingest.notices IS 'What a commit changed and Redis and subscribers have not been told yet; deleted when they have.';

CREATE TABLE mirror.records (
    source text NOT NULL,
    object text NOT NULL,
    record_id text NOT NULL,
    parent_id text,
    owner_id text,
    data jsonb NOT NULL,
    version bigint NOT NULL,
    content_hash bytea NOT NULL,
    deleted boolean NOT NULL DEFAULT false,
    occurred_at timestamptz NOT NULL,
    verified_at timestamptz NOT NULL,
    PRIMARY KEY (source, object, record_id)
);
COMMENT ON COLUMN mirror.records.version IS 'Milliseconds. Salesforce: commit time or SystemModstamp; WHMCS: when the read began.';
COMMENT ON COLUMN mirror.records.verified_at IS 'When the record was last known to equal the upstream.';
CREATE INDEX records_owner ON mirror.records (source, owner_id, object);
CREATE INDEX records_parent ON mirror.records (source, parent_id, object) WHERE parent_id IS NOT NULL;
CREATE INDEX records_product ON mirror.records ((data ->> 'Product2Id')) WHERE object = 'OrderItem';
CREATE INDEX records_object ON mirror.records (source, object);

CREATE TABLE read_model.account_versions (
    account_id uuid PRIMARY KEY,
    version bigint NOT NULL DEFAULT 0,
    changed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE read_model.account_versions IS 'One counter an account, raised by every commit that changed its read models; also the lock that orders them.';

CREATE TABLE read_model.freshness (
    account_id uuid NOT NULL,
    resource text NOT NULL,
    verified_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, resource)
);
COMMENT ON TABLE read_model.freshness IS 'When a whole list of an account was last read from its upstream.';

CREATE TABLE read_model.feeds (
    feed text PRIMARY KEY,
    as_of timestamptz NOT NULL
);
COMMENT ON TABLE read_model.feeds IS 'When an event feed last answered, keepalives counted: event-driven read models are true as of then.';

CREATE TABLE read_model.documents (
    account_id uuid NOT NULL,
    name text NOT NULL,
    version bigint NOT NULL,
    etag text NOT NULL,
    body bytea NOT NULL,
    as_of timestamptz NOT NULL,
    PRIMARY KEY (account_id, name)
);
COMMENT ON TABLE read_model.documents IS 'Ready JSON answers; Redis holds copies. The all-zero account owns what is the same for everyone.';

CREATE TABLE read_model.catalog (
    account_id uuid NOT NULL,
    sku text NOT NULL,
    salesforce_product_id text NOT NULL,
    pricebook_entry_id text NOT NULL,
    category text NOT NULL,
    item_class text NOT NULL,
    name text NOT NULL,
    billing_cycle text NOT NULL,
    unit_price numeric(18, 2) NOT NULL,
    currency text NOT NULL,
    orderable boolean NOT NULL,
    whmcs_product_id text,
    display_order integer NOT NULL,
    facts jsonb NOT NULL,
    version bigint NOT NULL,
    as_of timestamptz NOT NULL,
    document bytea NOT NULL,
    PRIMARY KEY (account_id, sku)
);
COMMENT ON TABLE read_model.catalog IS 'Products shown in the portal, with their price in the portal price book, tax excluded. account_id is all zeros.';

CREATE TABLE read_model.orders (
    account_id uuid NOT NULL,
    order_id text NOT NULL,
    order_number text,
    review_status text NOT NULL,
    activation_status text,
    status text NOT NULL,
    placed_at timestamptz,
    effective_date date,
    total_amount numeric(18, 2),
    currency text NOT NULL,
    item_count integer NOT NULL,
    whmcs_order_id text,
    error_code text,
    changed_at timestamptz NOT NULL,
    version bigint NOT NULL,
    as_of timestamptz NOT NULL,
    summary bytea NOT NULL,
    document bytea NOT NULL,
    PRIMARY KEY (account_id, order_id)
);
COMMENT ON TABLE read_model.orders IS 'Salesforce Order with its items.';
COMMENT ON COLUMN read_model.orders.review_status IS 'Salesforce Order.Status: Pending Review, Approved, Processed, Cancelled, Rejected.';
COMMENT ON COLUMN read_model.orders.activation_status IS 'Salesforce Order.Activation_Status__c: Created, Activating, Activated, Failed.';
COMMENT ON COLUMN read_model.orders.status IS 'Derived for customers: in_review, approved, activating, awaiting_payment_method, paused, active, cancelled, rejected.';
CREATE INDEX orders_approved ON read_model.orders (order_id) WHERE review_status = 'Approved';

CREATE TABLE read_model.invoices (
    account_id uuid NOT NULL,
    invoice_id text NOT NULL,
    invoice_number text,
    status text NOT NULL,
    upstream_status text NOT NULL,
    issued_on date,
    due_on date,
    paid_at timestamptz,
    subtotal numeric(18, 2) NOT NULL,
    tax numeric(18, 2) NOT NULL,
    credit numeric(18, 2) NOT NULL,
    total numeric(18, 2) NOT NULL,
    balance numeric(18, 2) NOT NULL,
    currency text NOT NULL,
    sort_id bigint NOT NULL,
    version bigint NOT NULL,
    as_of timestamptz NOT NULL,
    summary bytea NOT NULL,
    document bytea NOT NULL,
    PRIMARY KEY (account_id, invoice_id)
);
COMMENT ON TABLE read_model.invoices IS 'WHMCS invoices with lines and payments.';
CREATE INDEX invoices_list ON read_model.invoices (account_id, sort_id DESC);

CREATE TABLE read_model.subscriptions (
    account_id uuid NOT NULL,
    subscription_id text NOT NULL,
    product_id text,
    product_name text NOT NULL,
    category text NOT NULL,
    domain text,
    status text NOT NULL,
    upstream_status text NOT NULL,
    billing_cycle text NOT NULL,
    amount numeric(18, 2) NOT NULL,
    currency text NOT NULL,
    registered_on date,
    next_due_on date,
    whmcs_order_id text,
    sort_id bigint NOT NULL,
    version bigint NOT NULL,
    as_of timestamptz NOT NULL,
    summary bytea NOT NULL,
    document bytea NOT NULL,
    PRIMARY KEY (account_id, subscription_id)
);
COMMENT ON TABLE read_model.subscriptions IS 'WHMCS services (client products).';

CREATE TABLE read_model.payment_methods (
    account_id uuid NOT NULL,
    payment_method_id text NOT NULL,
    kind text NOT NULL,
    brand text,
    last_four text,
    expires text,
    description text NOT NULL,
    sort_id bigint NOT NULL,
    version bigint NOT NULL,
    as_of timestamptz NOT NULL,
    document bytea NOT NULL,
    PRIMARY KEY (account_id, payment_method_id)
);
COMMENT ON TABLE read_model.payment_methods IS 'Methods stored in WHMCS: type, brand, last four, expiry. Nothing else is ever taken in.';

CREATE TABLE read_model.gateways (
    account_id uuid NOT NULL,
    gateway text NOT NULL,
    name text NOT NULL,
    version bigint NOT NULL,
    as_of timestamptz NOT NULL,
    PRIMARY KEY (account_id, gateway)
);
COMMENT ON TABLE read_model.gateways IS 'Payment gateways of the WHMCS installation. account_id is all zeros.';

CREATE TABLE read_model.profiles (
    account_id uuid PRIMARY KEY,
    whmcs_client_id text NOT NULL,
    email text NOT NULL,
    first_name text NOT NULL,
    last_name text NOT NULL,
    country text,
    currency text NOT NULL,
    status text NOT NULL,
    version bigint NOT NULL,
    as_of timestamptz NOT NULL,
    document bytea NOT NULL
);
COMMENT ON TABLE read_model.profiles IS 'WHMCS client profile and billing address.';

CREATE TABLE read_model.eligibility (
    account_id uuid PRIMARY KEY,
    internet_status text NOT NULL,
    internet_offering text,
    version bigint NOT NULL,
    as_of timestamptz NOT NULL,
    document bytea NOT NULL
);
COMMENT ON TABLE read_model.eligibility IS 'Salesforce Account eligibility fields.';
