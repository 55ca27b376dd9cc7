"""How providers follow billing, as Prometheus metrics."""

import asyncpg

from app.db import is_outage
from app.queries.provider_drift import counts

DRIFT = (
    "# HELP portal_provider_drift Provided services whose provider differs from billing\n"
    "# TYPE portal_provider_drift gauge\n"
)
SERVICES = (
    "# HELP portal_provided_services Services that the portal provisioned, by what their provider still has to do\n"
    "# TYPE portal_provided_services gauge\n"
)


async def provider_metrics(pool: asyncpg.Pool) -> bytes:
    """Render differences by kind and provided services by state; empty while the database is away."""
    try:
        kinds, states = await counts(pool)
    except Exception as error:
        if not is_outage(error):
            raise
        return b""
    lines = [DRIFT, *(f'portal_provider_drift{{kind="{kind}"}} {count}\n' for kind, count in kinds.items())]
    lines += [SERVICES, *(f'portal_provided_services{{state="{state}"}} {count}\n' for state, count in states.items())]
    return "".join(lines).encode()
