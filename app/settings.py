"""Settings, read once from the environment at start.

One field is one environment variable of the same name in upper case; `.env.example` lists each with its unit and
default. A variable `NAME_FILE` may name a file that holds the value instead, so that secrets stay out of the
environment. A bad or missing setting raises `SettingsError` with one sentence that names it.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta, Struct

from app.keyring import Keyring

Automator = Literal["whmcs", "portal"]
BillingTask = Literal["captures", "late_fees", "reminders", "suspension", "termination"]
"""What WHMCS's daily run does with unpaid invoices, and the portal can do in its place."""
BILLING_TASKS: tuple[BillingTask, ...] = get_args(BillingTask)

SECRET_WORDS = ("SECRET", "KEY", "TOKEN", "PASSWORD")
"""A setting whose name contains one of these is never printed."""


def note(text: str) -> Meta:
    """Attach a setting's meaning and unit, as `.env.example` prints it."""
    return Meta(description=text)


class SettingsError(Exception):
    """A setting is missing or unusable; the message names it and says what to do."""


class Settings(Struct, frozen=True, kw_only=True):
    """Everything that differs between installations. Names end in their unit."""

    database_url: Annotated[str, note("PostgreSQL DSN. `portal up` sets it to an embedded server when it is absent.")]
    redis_url: Annotated[str, note("Redis URL. `portal up` sets it to an embedded server when it is absent.")]
    portal_secret: Annotated[
        str, Meta(min_length=32, description="Key for signing cursors and tokens; 32 characters or more.")
    ]
    portal_secret_previous: Annotated[
        str,
        Meta(
            min_length=32, description="The secret before or after the current one: what it signed is still accepted."
        ),
    ] = ""

    api_host: Annotated[str, note("Address the API listens on.")] = "127.0.0.1"
    api_port: Annotated[int, note("Port the API listens on.")] = 8000
    api_workers: Annotated[int, note("API worker processes.")] = 1
    api_drain_seconds: Annotated[
        float, note("How long a stopping API process asks clients and load balancers to go elsewhere, in seconds.")
    ] = 1.0
    public_url: Annotated[
        str, note("How browsers reach the API; cookies are `Secure` unless it starts with http://127.0.0.1.")
    ] = "http://127.0.0.1:8000"
    portal_url: Annotated[
        str, note("Page of the frontend that links in mails lead to; empty: PUBLIC_URL, where the API serves it too.")
    ] = ""
    cors_origins: Annotated[str, note("Origins that may call the API from a browser, comma separated.")] = ""
    return_origins: Annotated[
        str,
        note(
            "Origins to which customers may be sent back from the billing system's pages, comma separated, each exact, "
            "e.g. https://portal.example.jp; empty: none."
        ),
    ] = ""
    trusted_proxies: Annotated[
        str, note("Addresses and networks whose X-Forwarded-For is trusted, comma separated, e.g. 10.0.0.0/8.")
    ] = ""
    body_limit_bytes: Annotated[int, note("Largest request body accepted, in bytes.")] = 262_144
    public_rate_per_minute: Annotated[int, note("Requests per minute and address on public routes.")] = 60
    account_rate_per_minute: Annotated[int, note("Requests per minute and account on account routes.")] = 100
    auth_rate_per_minute: Annotated[int, note("Requests per minute and address on sign-up and login routes.")] = 20
    staff_rate_per_minute: Annotated[int, note("Requests per minute and member of staff.")] = 200
    payment_rate_per_minute: Annotated[
        int, note("Payments, and links into the billing system, per minute and account.")
    ] = 10
    live_rate_per_minute: Annotated[
        int, note("Requests per minute and account that call an upstream live: usage, prices of other plans, panels.")
    ] = 20
    requests_at_once: Annotated[int, note("Concurrent requests of one API process; event streams are not counted.")] = (
        512
    )
    read_deadline_seconds: Annotated[
        float,
        Meta(gt=0, description="Deadline of a read, in seconds; after it the answer is 503."),
    ] = 5.0
    live_deadline_seconds: Annotated[
        float,
        Meta(gt=0, description="Deadline of reads that call an upstream live and of operators' reads, in seconds."),
    ] = 30.0
    command_deadline_seconds: Annotated[
        float,
        Meta(
            gt=0,
            description="Deadline of a command's answer, in seconds; a command that is not done by then continues in "
            "the background.",
        ),
    ] = 55.0
    answer_memory_mib: Annotated[
        int,
        Meta(
            ge=0, description="Memory for cached answers in one API process, in MiB; 0: none are cached in the process."
        ),
    ] = 64
    admin_networks: Annotated[
        str, note("Networks that may reach /api/admin, comma separated, e.g. 10.0.0.0/8; empty: all.")
    ] = ""
    internal_networks: Annotated[
        str,
        note("Networks that may read /metrics and /api/health/services/cache, comma separated; 0.0.0.0/0,::/0: all."),
    ] = "127.0.0.0/8,::1/128"
    metrics_dir: Annotated[
        str,
        note(
            "Folder in which API processes behind one address share their metrics, so that each can report those "
            "of all; empty: one for the workers of one `portal api`."
        ),
    ] = ""
    webhook_networks: Annotated[str, note("Networks that may send webhooks, comma separated; empty: all.")] = ""
    public_max_age_seconds: Annotated[int, note("Browser cache lifetime of the public catalog, in seconds.")] = 60
    public_shared_max_age_seconds: Annotated[int, note("Shared cache lifetime of the public catalog, in seconds.")] = (
        300
    )
    event_streams: Annotated[int, note("Event streams open at once in one API process.")] = 10_000
    event_streams_per_account: Annotated[int, note("Event streams open at once for one account, in all processes.")] = 8
    session_idle_seconds: Annotated[int, note("A session unused for this long ends, in seconds.")] = 1_800
    session_absolute_seconds: Annotated[int, note("A session ends after this long in any case, in seconds.")] = 43_200
    password_reset_url: Annotated[
        str,
        note(
            "Page of the frontend that takes a new password, {token} for the token; empty: PORTAL_URL/reset-password."
        ),
    ] = ""
    password_reset_seconds: Annotated[int, note("Lifetime of a mailed reset token, in seconds.")] = 1_800
    sign_up_proof: Annotated[
        Literal["mail", "letter"],
        note(
            "Proof of identity at sign-up: mail, a code mailed to the address on file; letter, a code that "
            "`portal invite` creates for a letter."
        ),
    ] = "mail"
    smtp_host: Annotated[str, note("Mail server; empty: mails wait, and the log says so.")] = ""
    smtp_port: Annotated[int, note("Port of the mail server.")] = 587
    smtp_security: Annotated[
        Literal["starttls", "tls", "none"], note("starttls, tls, or none on a trusted network.")
    ] = "starttls"
    smtp_username: Annotated[str, note("User of the mail server; empty: no login.")] = ""
    smtp_password: Annotated[str, note("Password of the mail server's user.")] = ""
    smtp_timeout_seconds: Annotated[float, note("Timeout of one mail, in seconds.")] = 15.0
    mail_from: Annotated[str, note("Sender of the portal's mails.")] = "no-reply@portal.invalid"
    settle_wait_seconds: Annotated[
        float, note("How long a command waits for its own change to become visible, in seconds.")
    ] = 2.0
    queue_hours: Annotated[
        float,
        Meta(gt=0, le=72, description="How long a command waits for an upstream that is away, in hours."),
    ] = 24.0
    queued_per_account: Annotated[
        int, Meta(ge=0, description="Commands of one account that may wait for upstreams; 0: none is queued.")
    ] = 10
    queued_commands: Annotated[int, Meta(ge=0, description="Commands of all accounts that may wait for upstreams.")] = (
        10_000
    )
    log_level: Annotated[str, note("debug, info, warning or error.")] = "info"
    log_format: Annotated[str, note("json or console.")] = "json"

    ca_file: Annotated[
        str, note("PEM bundle to trust for upstreams in addition to the system's; empty: only the system's.")
    ] = ""
    salesforce_url: Annotated[str, note("My Domain URL of the org, https.")]
    salesforce_token_url: Annotated[str, note("OAuth token endpoint of the org.")]
    salesforce_client_id: Annotated[str, note("Consumer key of the connected app (JWT bearer).")]
    salesforce_username: Annotated[str, note("Integration user of the org.")]
    salesforce_private_key_file: Annotated[str, note("PEM private key whose certificate the connected app holds.")]
    salesforce_pubsub: Annotated[str, note("Pub/Sub API endpoint, host:port.")] = "api.pubsub.salesforce.com:7443"
    salesforce_pubsub_tls: Annotated[bool, note("Whether the Pub/Sub endpoint speaks TLS.")] = True
    salesforce_api_version: Annotated[str, note("REST API version.")] = "66.0"
    salesforce_channel: Annotated[str, note("Change data capture channel.")] = "/data/Portal__chn"
    salesforce_eligibility_topic: Annotated[str, note("Platform event that announces eligibility results.")] = (
        "/event/Account_Eligibility_Update__e"
    )
    salesforce_canary_account_id: Annotated[
        str, note("Account without an owner, written regularly to check that change events arrive; empty: none.")
    ] = ""
    whmcs_canary_client_id: Annotated[
        str,
        note("WHMCS client without an owner, saved unchanged regularly to check that webhooks arrive; empty: none."),
    ] = ""
    canary_seconds: Annotated[float, note("Interval of the canaries, in seconds.")] = 30.0
    canary_patience_seconds: Annotated[
        float, note("Time for a canary to come back, in seconds; after it the feed counts as delivering nothing.")
    ] = 30.0
    cdc_silence_seconds: Annotated[
        float,
        note("A change feed without any answer for this long is reopened, in seconds; keepalives come within 270."),
    ] = 330.0
    feed_bound_seconds: Annotated[
        float,
        Meta(
            gt=0,
            description="Event-fed data is reported stale once its feed has not answered for this long, in seconds, "
            "keepalives included.",
        ),
    ] = 360.0
    salesforce_pricebook_id: Annotated[str, note("Id of the portal price book.")]
    salesforce_currency: Annotated[str, note("Currency of the org, ISO 4217.")] = "JPY"
    tax_rates: Annotated[
        str,
        note(
            "Consumption tax in percent by country of the billing address, as COUNTRY=percent, comma separated, * for "
            "every other; as WHMCS's tax rules have it. The public catalog shows the first. Empty: prices with tax are "
            "not shown."
        ),
    ] = ""
    salesforce_timeout_seconds: Annotated[float, note("Total deadline of one Salesforce REST call, in seconds.")] = 20.0
    salesforce_calls_per_second: Annotated[
        float,
        Meta(
            gt=0, description="Salesforce calls per second of all processes together; background work leaves a third."
        ),
    ] = 50.0
    salesforce_concurrency: Annotated[int, note("Concurrent Salesforce REST calls in one process.")] = 8

    salesforce_webhook_secrets: Annotated[
        str,
        note(
            "Secrets that sign webhooks of an org that pushes, comma separated, newest first; empty: the route is "
            "absent."
        ),
    ] = ""

    whmcs_url: Annotated[str, note("WHMCS system URL.")]
    whmcs_identifier: Annotated[str, note("WHMCS API credential identifier.")]
    whmcs_secret: Annotated[str, note("WHMCS API credential secret.")]
    whmcs_webhook_secrets: Annotated[str, note("Secrets that sign WHMCS webhooks, comma separated, newest first.")]
    whmcs_time_zone: Annotated[str, note("Time zone of the WHMCS server.")] = "Asia/Tokyo"
    whmcs_date_format: Annotated[
        Literal["", "DD/MM/YYYY", "DD.MM.YYYY", "DD-MM-YYYY", "MM/DD/YYYY", "YYYY/MM/DD", "YYYY-MM-DD"],
        note(
            "Date format of WHMCS's localisation settings, for the periods in invoice texts; empty: periods that can "
            "be read in two ways are not shown."
        ),
    ] = ""
    whmcs_default_pay_method: Annotated[
        Literal["unknown", "first"],
        note(
            "How to tell which payment method WHMCS charges: first, its list begins with it, as confirmed on this "
            "installation; unknown, only where there is no other."
        ),
    ] = "unknown"
    whmcs_customer_number_field_id: Annotated[int, note("Id of the client custom field `Customer Number`.")] = 198
    whmcs_group_categories: Annotated[
        str,
        note(
            "Categories of WHMCS product groups that are named differently, as Group=category, comma separated, "
            "e.g. Fibre=internet; for products that the catalog does not list."
        ),
    ] = ""
    whmcs_payment_method: Annotated[str, note("Payment gateway passed to AddOrder.")] = "mailin"
    whmcs_read_timeout_seconds: Annotated[float, note("Timeout of a WHMCS read, in seconds.")] = 10.0
    whmcs_write_timeout_seconds: Annotated[float, note("Timeout of a WHMCS write, in seconds.")] = 30.0
    whmcs_charge_timeout_seconds: Annotated[
        float,
        note("Timeout of charging a payment method, in seconds; the gateway behind WHMCS may be slow."),
    ] = 60.0
    whmcs_gateway_log: Annotated[
        bool,
        note(
            "Whether the API action of deploy/whmcs/portalgatewaylog.php is installed, so that a declined charge can "
            "be explained from WHMCS's gateway log."
        ),
    ] = False
    whmcs_calls_per_second: Annotated[
        float,
        Meta(gt=0, description="WHMCS calls per second of all processes together; background work leaves a third."),
    ] = 50.0
    whmcs_concurrency: Annotated[int, note("Concurrent WHMCS calls in one process.")] = 6

    automate_captures: Annotated[
        Automator,
        note(
            "Who charges due invoices: whmcs (its own daily run) or portal. Never both: switch it off in WHMCS first; "
            "`portal doctor` checks."
        ),
    ] = "whmcs"
    automate_late_fees: Annotated[Automator, note("Who adds late fees: whmcs or portal, as above.")] = "whmcs"
    automate_reminders: Annotated[Automator, note("Who reminds of unpaid invoices: whmcs or portal, as above.")] = (
        "whmcs"
    )
    automate_suspension: Annotated[Automator, note("Who suspends unpaid services: whmcs or portal, as above.")] = (
        "whmcs"
    )
    automate_termination: Annotated[Automator, note("Who terminates unpaid services: whmcs or portal, as above.")] = (
        "whmcs"
    )

    dunning_retry_days: Annotated[
        str,
        note(
            "Days after the due date on which the portal charges an unpaid invoice again, rising, comma separated; "
            "where AUTOMATE_CAPTURES is portal."
        ),
    ] = "1,3,7"
    dunning_grace_days: Annotated[
        int,
        Meta(
            ge=1,
            le=90,
            description="Days between the last of those charges and the suspension; where AUTOMATE_SUSPENSION is "
            "portal.",
        ),
    ] = 7
    dunning_policies: Annotated[
        str,
        note(
            "Exceptions by WHMCS client group or product, semicolon separated, as `group 3: 2,5 + 14; product 12: "
            "1,3,7 + never`: the days of the charges, and the days of grace. A group outranks products."
        ),
    ] = ""
    dunning_hour: Annotated[
        int, Meta(ge=0, le=23, description="Hour of WHMCS's clock from which unpaid invoices are charged.")
    ] = 9
    dunning_holidays: Annotated[
        str,
        note(
            "Country, ISO 3166, on whose public and bank holidays nothing is suspended, nor on weekends; empty: "
            "weekends alone."
        ),
    ] = "JP"
    suspensions_per_day_percent: Annotated[
        float,
        Meta(
            gt=0,
            le=100,
            description="Accounts that dunning suspends in one day at most, in percent of those with services, but "
            "always three; if more are due, it suspends nobody and asks "
            "(`portal schedule run suspension --confirm N`).",
        ),
    ] = 2.0

    freebit_url: Annotated[str, note("Freebit API base URL, up to and without /emptool/api.")]
    freebit_oem_id: Annotated[str, note("Freebit OEM id.")]
    freebit_oem_key: Annotated[str, note("Freebit OEM key.")]
    freebit_calls_per_second: Annotated[
        float,
        Meta(gt=0, description="Freebit calls per second of all processes together; background work leaves a third."),
    ] = 20.0
    freebit_timeout_seconds: Annotated[float, note("Timeout of a Freebit call, in seconds.")] = 30.0
    freebit_poll_seconds: Annotated[
        float, note("First wait before polling an activation, in seconds; later waits grow.")
    ] = 60.0

    whm_url: Annotated[str, note("WHM URL with port.")]
    whm_user: Annotated[str, note("WHM user, root or a reseller.")]
    whm_token: Annotated[str, note("WHM API token.")]
    whm_calls_per_second: Annotated[
        float, Meta(gt=0, description="WHM calls per second of all processes together; background work leaves a third.")
    ] = 20.0
    whm_timeout_seconds: Annotated[float, note("Timeout of a WHM write, in seconds; creations take a minute.")] = 120.0
    whm_read_timeout_seconds: Annotated[float, note("Timeout of a WHM read, in seconds.")] = 15.0

    whm_sync_seconds: Annotated[
        int, note("Interval at which the workers read WHM's list of accounts, in seconds; 0: never.")
    ] = 300

    provider_follow: Annotated[
        bool,
        note(
            "Whether providers follow billing: WHM and Freebit are told what WHMCS says of services that the portal "
            "provisioned. No stops all of it at once."
        ),
    ] = True
    provider_removal_grace_days: Annotated[
        float,
        note(
            "Days between the end of a service in WHMCS and the removal of its account or line, which cannot be "
            "undone; negative: only staff remove."
        ),
    ] = 14.0
    provider_removals_per_day: Annotated[
        int,
        Meta(ge=0, description="Services whose account or line is removed in 24 hours at most; the rest waits."),
    ] = 20

    attachment_scanner: Annotated[
        str,
        Meta(
            pattern=r"^(clamd:(/\S+|[^/\s]+:\d{1,5})|(?!clamd:)\S.*)$",
            description="Malware scanner for customers' files: clamd:/path/of/its/socket, clamd:host:port, or a "
            "command that reads the file and exits with 0 for clean, 1 for infected; empty: none.",
        ),
    ] = ""
    attachment_scan_seconds: Annotated[
        float, Meta(gt=0, description="Total deadline of one scan, in seconds; after it the file is refused.")
    ] = 20.0

    provision_templates: Annotated[
        str, note("Directory of provisioning templates (*.toml); empty: the portal's own two.")
    ] = ""

    inbox_retention_days: Annotated[
        int,
        Meta(
            ge=5,
            description="Retention of settled changes, in days; at least 5, because events may be repeated for three.",
        ),
    ] = 14
    reconcile_seconds: Annotated[
        int, note("Interval at which the workers compare the upstreams with the mirror, in seconds; 0: never.")
    ] = 300
    case_sweep_seconds: Annotated[
        int, note("Interval at which the workers read changed support cases from Salesforce, in seconds; 0: never.")
    ] = 60
    reconcile_whmcs_clients: Annotated[int, note("WHMCS customers whose lists one comparison reads.")] = 20
    worker_concurrency: Annotated[int, note("Concurrent jobs in one worker process.")] = 16
    watchdog_seconds: Annotated[
        float,
        Meta(
            ge=0, description="A process that hangs for this long ends itself, to be restarted, in seconds; 0: never."
        ),
    ] = 60.0
    sweep_seconds: Annotated[int, note("Interval of the sweep for work whose wake-up was lost, in seconds.")] = 2
    inbox_high_water: Annotated[
        int, note("Limit of changes waiting to be re-read upstream; above it webhooks are asked to retry later.")
    ] = 50_000

    @property
    def keyring(self) -> Keyring:
        """Both secrets, for sealing, signing and key derivation."""
        return Keyring(self.portal_secret, self.portal_secret_previous)

    @property
    def mailed_url(self) -> str:
        """Where links in mails lead to."""
        return (self.portal_url or self.public_url).rstrip("/")

    def automator_of(self, task: BillingTask) -> Automator:
        """Return who automates a task of billing."""
        found: Automator = getattr(self, f"automate_{task}")
        return found


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read and check every setting.

    Raises:
        SettingsError: one sentence naming the first setting that is missing or unusable.
    """
    source = os.environ if environ is None else environ
    types = get_type_hints(Settings, include_extras=True)
    values: dict[str, object] = {}
    for field in msgspec.structs.fields(Settings):
        name = field.name.upper()
        raw = _raw(source, name)
        if raw is None:
            if field.required:
                raise SettingsError(f"{name} is not set: {_meaning(types[field.name])} See .env.example.")
            continue
        values[field.name] = _convert(name, raw, types[field.name])
    return Settings(**values)  # type: ignore[arg-type]


def _raw(source: Mapping[str, str], name: str) -> str | None:
    path = source.get(f"{name}_FILE")
    if path and f"{name}_FILE" not in _OWN_NAMES:
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            raise SettingsError(f"{name}_FILE names a file that cannot be read: {error}.") from error
    value = source.get(name, "")
    return value.strip() or None


def _convert(name: str, raw: str, kind: object) -> object:
    try:
        return msgspec.convert(raw, type=kind, strict=False)
    except msgspec.ValidationError as error:
        shown = "" if any(word in name for word in SECRET_WORDS) else f" (it is {raw!r})"
        raise SettingsError(f"{name} cannot be used: {error}{shown}. See .env.example.") from error


def _meaning(kind: object) -> str:
    for extra in getattr(kind, "__metadata__", ()):
        if isinstance(extra, Meta) and extra.description:
            return extra.description
    return ""


_OWN_NAMES = frozenset(field.name.upper() for field in msgspec.structs.fields(Settings))
