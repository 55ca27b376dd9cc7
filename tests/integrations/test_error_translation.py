"""Nothing but the errors of `app.errors` comes through the wall, and a write in doubt stays in doubt."""

import asyncio

import pytest

from app.errors import OutcomeUnknown, UpstreamMalformed, UpstreamNotFound
from app.integrations.error_translation import translates_all_errors, translates_errors, write_refused, write_sent

UNEXPECTED = [
    KeyError("x"),
    IndexError(),
    AttributeError(),
    OverflowError(),
    RecursionError(),
    LookupError(),
    TypeError(),
]


@translates_all_errors("whmcs")
class Client:
    def __init__(self, error, *, sent, refused=False):
        self.error, self.sent, self.refused = error, sent, refused

    async def call(self):
        if self.sent:
            write_sent()
        if self.refused:
            write_refused()
        raise self.error

    async def outer(self):
        await asyncio.gather(self.call())


@pytest.mark.parametrize("error", UNEXPECTED, ids=repr)
@pytest.mark.parametrize("name", ["call", "outer"])
async def test_what_nobody_expected_is_malformed_and_after_a_write_unknown(error, name):
    with pytest.raises(UpstreamMalformed):
        await getattr(Client(error, sent=False), name)()
    with pytest.raises(OutcomeUnknown):
        await getattr(Client(error, sent=True), name)()
    with pytest.raises(UpstreamMalformed):
        await getattr(Client(error, sent=True, refused=True), name)()


async def test_a_write_whose_answer_is_malformed_may_have_been_done():
    with pytest.raises(OutcomeUnknown):
        await Client(UpstreamMalformed("whmcs", "op", "x"), sent=True).call()
    with pytest.raises(UpstreamNotFound):
        await Client(UpstreamNotFound("whmcs", "op", "x"), sent=True).call()


async def test_an_error_names_its_place_and_never_quotes_the_vendor():
    with pytest.raises(UpstreamMalformed) as told:
        await Client(ValueError("hana@example.jp"), sent=False).call()
    assert "hana" not in str(told.value)
    assert "ValueError at test_error_translation.py" in told.value.reason


async def test_one_call_after_another_do_not_mix():
    with pytest.raises(OutcomeUnknown):
        await Client(KeyError(), sent=True).call()
    with pytest.raises(UpstreamMalformed):
        await Client(KeyError(), sent=False).call()


async def test_a_cancelled_call_is_cancelled():
    @translates_errors("whmcs")
    async def slow():
        await asyncio.sleep(10)

    task = asyncio.ensure_future(slow())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
