"""The certificate authorities that upstreams are verified against: the system's, plus those of `ca_file`."""

import ssl
from pathlib import Path

import certifi

from app.settings import Settings


def trusted(settings: Settings) -> ssl.SSLContext:
    """Create a TLS context for HTTP. Verification is never off."""
    context = ssl.create_default_context()
    if settings.ca_file:
        context.load_verify_locations(settings.ca_file)
    return context


def trusted_pem(settings: Settings) -> bytes | None:
    """Return one bundle for gRPC; None means gRPC's own default."""
    if not settings.ca_file:
        return None
    system = Path(ssl.get_default_verify_paths().cafile or certifi.where())
    return system.read_bytes() + b"\n" + Path(settings.ca_file).read_bytes()
