CREATE TABLE portal.clock_jobs (
    name text PRIMARY KEY,
    about text NOT NULL,
    cron text NOT NULL,
    zone text NOT NULL,
    owner text NOT NULL CHECK (owner IN ('portal', 'whmcs')),
    process text NOT NULL,
    moves_money boolean NOT NULL DEFAULT false,
    grace_seconds double precision NOT NULL,
    most_seconds double precision NOT NULL,
    registered_at timestamptz NOT NULL,
    next_run_at timestamptz,
    not_before timestamptz,
    running_since timestamptz,
    runner text,
    last_started_at timestamptz,
    last_ended_at timestamptz,
    last_done_at timestamptz,
    last_outcome text,
    last_detail text,
    last_seconds double precision,
    failures integer NOT NULL DEFAULT 0,
    requested_at timestamptz,
    requested_by text
);

COMMENT ON TABLE portal.clock_jobs IS 'Every job that runs by the clock, with its last and its next run. Processes register their jobs when they start.';

COMMENT ON COLUMN portal.clock_jobs.cron IS 'A cron expression on the clock of zone, or @every and an interval.';

COMMENT ON COLUMN portal.clock_jobs.owner IS 'Who runs it. What WHMCS automates is listed here and never run by the portal.';

COMMENT ON COLUMN portal.clock_jobs.next_run_at IS 'When it should run next. It stays in the past until a run has succeeded, so that missed runs are made up for once. Null: nobody knows.';

COMMENT ON COLUMN portal.clock_jobs.not_before IS 'When it is looked at again, after a failure or while it runs.';

COMMENT ON COLUMN portal.clock_jobs.running_since IS 'When the run began that is not recorded as ended. Whether it still runs says the advisory lock of its name.';

CREATE TABLE portal.clock_runs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job text NOT NULL,
    due_at timestamptz,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('done', 'failed', 'postponed', 'timed_out', 'interrupted', 'withheld')),
    detail text,
    runner text,
    requested_by text
);

COMMENT ON TABLE portal.clock_runs IS 'Runs of clock jobs: each run of a job with a cron expression; of one with an interval each whose outcome differs from the one before.';

CREATE INDEX clock_runs_of_job ON portal.clock_runs (job, id DESC);

CREATE INDEX clock_runs_by_age ON portal.clock_runs (ended_at);

CREATE TABLE portal.money_stops (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stopped_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    stopped_by text NOT NULL,
    reason text NOT NULL,
    resumed_at timestamptz,
    resumed_by text
);

COMMENT ON TABLE portal.money_stops IS 'Emergency stops of all jobs that move money. One that is not resumed is in force.';

CREATE UNIQUE INDEX money_stops_in_force ON portal.money_stops ((true)) WHERE resumed_at IS NULL;

CREATE TABLE portal.billing_tasks (
    task text PRIMARY KEY,
    automator text NOT NULL CHECK (automator IN ('whmcs', 'portal')),
    automator_since timestamptz NOT NULL,
    whmcs_switch text NOT NULL CHECK (whmcs_switch IN ('on', 'off', 'none', 'unknown')),
    whmcs_did_on date,
    checked_at timestamptz NOT NULL
);

COMMENT ON TABLE portal.billing_tasks IS 'Who automates each task of billing, and what WHMCS said about its own automation of it.';

COMMENT ON COLUMN portal.billing_tasks.whmcs_switch IS 'WHMCS''s setting: on, off, none (it has no setting that its API tells), unknown (it could not be read).';

COMMENT ON COLUMN portal.billing_tasks.whmcs_did_on IS 'The last day on which WHMCS''s automation log counts work of the task.'
