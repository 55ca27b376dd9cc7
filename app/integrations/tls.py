"""Which certificates upstreams are believed by."""

import ssl

from app.settings import Settings


def trusted(settings: Settings) -> ssl.SSLContext:
    """The system's authorities, and those of `ca_file` beside them. Verification is never off."""
    context = ssl.create_default_context()
    if settings.ca_file:
        context.load_verify_locations(settings.ca_file)
    return context
