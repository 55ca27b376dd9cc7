"""An application that has stopped is freed: whoever builds several in one process would keep them all."""

import gc
import weakref

from app.settings import Settings
from tests.http.conftest import served


class Witness:
    """Something that lives as long as the application: the framework's own class takes no weak reference."""


async def test_a_stopped_application_is_freed(settings: Settings) -> None:
    async with served(settings) as (app, client):
        for path in ("/api/public/services", "/api/public/services?odd=1", "/api/nowhere", "/api/account/summary"):
            for method in ("GET", "HEAD", "OPTIONS"):
                await client.request(method, path)
        app.state.witness = Witness()
        gone = weakref.ref(app.state.witness)
        del app, client
    gc.collect()
    assert gone() is None
