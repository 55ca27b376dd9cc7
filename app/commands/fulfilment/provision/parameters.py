"""The steps that a template may name, and their parameters. The types define the format: a template that does not fit
is refused when it is loaded, long before an order needs it."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Mailbox = Annotated[str, Meta(pattern=r"^(?!cpanel$)[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?\Z")]
Slug = Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*\Z")]


class Parameters(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The parameters of a step; most steps have none."""


class CreateDatabase(Parameters, frozen=True):
    """The name of the database and of its one user, without the account's prefix."""

    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9]{0,15}\Z")] = "site"


class ConfigureEmail(Parameters, frozen=True):
    """Mailboxes of the account's domain, without the domain. A quota of 0 means unlimited."""

    mailboxes: Annotated[list[Mailbox], Meta(min_length=1, max_length=20)]
    quota_megabytes: Annotated[int, Meta(ge=0, le=102_400)] = 1024


class InstallWordpress(Parameters, frozen=True):
    """Parameters of a WordPress site. The server installs the newest version with its default theme and accepts no
    other. `plugins` are slugs of the set that WP Toolkit adds to new sites; their presence is verified."""

    version: Literal["latest"] = "latest"
    theme: Literal["default"] = "default"
    plugins: Annotated[list[Slug], Meta(max_length=20)] = []


CREATE_ACCOUNT = "create_cpanel_account"
"""Fulfilment's own step `hosting`. It comes first in a template, so that a template is complete."""
FORMATS: dict[str, type[Parameters]] = {
    CREATE_ACCOUNT: Parameters,
    "create_database": CreateDatabase,
    "configure_email": ConfigureEmail,
    "setup_ssl": Parameters,
    "install_wordpress": InstallWordpress,
    "send_welcome_email": Parameters,
}
NEED_ACCOUNT = frozenset(FORMATS) - {CREATE_ACCOUNT, "send_welcome_email"}
