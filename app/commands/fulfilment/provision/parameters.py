"""The steps a template may name, and what each may be told. Types are the format: whatever does not fit is refused when
the templates are read, long before an order comes to them."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Mailbox = Annotated[str, Meta(pattern=r"^(?!cpanel$)[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?\Z")]
Slug = Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*\Z")]


class Parameters(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a step is told; of most steps nothing."""


class CreateDatabase(Parameters, frozen=True):
    """`name` comes after the account's own prefix, and is the name of the database and of its one user."""

    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9]{0,15}\Z")] = "site"


class ConfigureEmail(Parameters, frozen=True):
    """Mailboxes of the account's domain, without the domain. A quota of 0 is none."""

    mailboxes: Annotated[list[Mailbox], Meta(min_length=1, max_length=20)]
    quota_megabytes: Annotated[int, Meta(ge=0, le=102_400)] = 1024


class InstallWordpress(Parameters, frozen=True):
    """The server installs the newest version with its default theme, and takes no other wish. `plugins` are slugs: they
    come from the set that WP Toolkit puts into new sites, and are looked for."""

    version: Literal["latest"] = "latest"
    theme: Literal["default"] = "default"
    plugins: Annotated[list[Slug], Meta(max_length=20)] = []


CREATE_ACCOUNT = "create_cpanel_account"
"""Fulfilment's own step `hosting`. It stands first in a template, so that a template tells the whole story."""
FORMATS: dict[str, type[Parameters]] = {
    CREATE_ACCOUNT: Parameters,
    "create_database": CreateDatabase,
    "configure_email": ConfigureEmail,
    "setup_ssl": Parameters,
    "install_wordpress": InstallWordpress,
    "send_welcome_email": Parameters,
}
NEED_ACCOUNT = frozenset(FORMATS) - {CREATE_ACCOUNT, "send_welcome_email"}
