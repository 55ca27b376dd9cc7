"""Where a request comes from, for everything that asks: limits, networks, sessions, audit, and the fast lane.

How addresses are read and counted is in `app/intake/addresses.py`.
"""

from collections.abc import Mapping
from typing import Any

from app.intake.addresses import Networks, client, networks_of, within
from app.settings import Settings, SettingsError

FORWARDED = b"x-forwarded-for"
NETWORKS = ("trusted_proxies", "admin_networks", "internal_networks", "webhook_networks")
"""Settings that name networks."""


def client_address(scope: Mapping[str, Any], settings: Settings) -> str:
    """The caller's address; forwarded ones are believed only when a trusted proxy says so. Empty for who comes by no
    network."""
    return _client(scope, settings, None)


def is_within(scope: Mapping[str, Any], settings: Settings, networks: str) -> bool:
    """Whether the caller comes from networks of a setting. Whoever a proxy of ours cannot name comes from nowhere, and
    not from where that proxy is."""
    return within(_client(scope, settings, ""), networks_of(networks))


def _client(scope: Mapping[str, Any], settings: Settings, unreadable: str | None) -> str:
    peer = scope.get("client")
    lines = [value.decode("latin-1") for name, value in scope["headers"] if name == FORWARDED]
    return client(peer[0] if peer else "", lines, trusted_proxies(settings), unreadable)


def trusted_proxies(settings: Settings) -> Networks:
    """Whose word is believed."""
    return networks_of(settings.trusted_proxies)


def check_networks(settings: Settings) -> None:
    """Refuse networks that cannot be read, before anything is served.

    Raises:
        SettingsError: names the setting.
    """
    for name in NETWORKS:
        try:
            networks_of(getattr(settings, name))
        except ValueError as error:
            raise SettingsError(f"{name.upper()} cannot be used: {error}. See .env.example.") from error
