"""The address of a request's client, for limits, networks, sessions, audit and the fast path.

`app/intake/addresses.py` parses addresses and decides how they are counted.
"""

from collections.abc import Mapping
from typing import Any

from app.intake.addresses import Networks, client, networks_of, within
from app.settings import Settings, SettingsError

FORWARDED = b"x-forwarded-for"
NETWORKS = ("trusted_proxies", "admin_networks", "internal_networks", "webhook_networks")
"""The settings that name networks."""


def client_address(scope: Mapping[str, Any], settings: Settings) -> str:
    """Return the client's address. Forwarded addresses are believed only from a trusted proxy. Empty for a peer without
    one, such as a local socket."""
    return _client(scope, settings, None)


def is_within(scope: Mapping[str, Any], settings: Settings, networks: str) -> bool:
    """Return true if the client's address is within the networks of a setting.

    A client that a trusted proxy cannot name is within none, and does not count as the proxy itself.
    """
    return within(_client(scope, settings, ""), networks_of(networks))


def _client(scope: Mapping[str, Any], settings: Settings, unreadable: str | None) -> str:
    peer = scope.get("client")
    lines = [value.decode("latin-1") for name, value in scope["headers"] if name == FORWARDED]
    return client(peer[0] if peer else "", lines, trusted_proxies(settings), unreadable)


def trusted_proxies(settings: Settings) -> Networks:
    """Return the networks whose `X-Forwarded-For` is believed."""
    return networks_of(settings.trusted_proxies)


def check_networks(settings: Settings) -> None:
    """Refuse to start with networks that cannot be parsed.

    Raises:
        SettingsError: names the setting.
    """
    for name in NETWORKS:
        try:
            networks_of(getattr(settings, name))
        except ValueError as error:
            raise SettingsError(f"{name.upper()} cannot be used: {error}. See .env.example.") from error
