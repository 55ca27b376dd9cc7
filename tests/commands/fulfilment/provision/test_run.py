"""Provisioning after activation: each step once, whatever fails or is killed, and never at the cost of the service."""

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from app.audit import Operator
from app.commands import fulfilment
from app.commands.fulfilment import decide, overview, provision
from app.commands.fulfilment.provision import templates
from app.commands.fulfilment.provision.run import MOST_TRIES
from app.errors import Conflict
from app.settings import Settings

AYA = Operator(name="aya")
WHOLE = {"items": [{"sku": "HOSTING-BUSINESS"}]}
STEPS = ("create_database", "configure_email", "setup_ssl", "install_wordpress", "send_welcome_email")
ALL_DONE = dict.fromkeys(("find_template", *STEPS), "done")
WRITES = (
    "Mysql::create_database",
    "Mysql::create_user",
    "Mysql::set_privileges_on_database",
    "Email::add_pop",
    "SSL::start_autossl_check",
    "WordPressSite::create",
)


async def activated(desk: Any) -> tuple[Any, str]:
    """Return an active hosting order of the product with the whole template; nothing is set up yet."""
    actor = await desk.customer()
    await desk.sandbox.fault("whm", "down", operation="Mysql::get_restrictions", count=1)
    order_id = await desk.place(actor, await desk.basket("hosting", **WHOLE))
    await desk.approve(order_id)
    assert await desk.fulfil(order_id) == "paused"
    await paid(desk, actor, order_id)
    return actor, order_id


async def paid(desk: Any, actor: Any, order_id: str) -> None:
    """Pay the invoice of an instant order and run the order until it is active."""
    invoice_id = (await desk.journal(order_id))["facts"]["invoice_id"]
    (await desk.sandbox.control.post(f"/whmcs/invoices/{invoice_id}/pay")).raise_for_status()
    await desk.hurry(order_id)
    assert await desk.fulfil(order_id) == "done"
    await desk.assert_whole(actor, order_id)


async def states(desk: Any, order_id: str) -> dict[str, str]:
    story = await overview.one(desk.pool, order_id)
    return {each.step: each.state for each in story.provision}


def count(calls: list[dict[str, Any]]) -> dict[str, int]:
    operations = [call["operation"] for call in calls]
    return {name: operations.count(name) for name in WRITES}


async def assert_set_up(desk: Any, order_id: str) -> None:
    """Everything of the template is there, once."""
    account = await desk.hosted(order_id)
    name = f"{account['user']}_site"
    assert account["databases"] == {name: [name]}
    assert account["database_users"] == [name]
    assert account["mailboxes"] == [f"info@{account['domain']}", f"webmaster@{account['domain']}"]
    assert account["autossl_until"] is not None
    assert account["wordpress_until"] is not None
    assert await desk.pool.fetchval("SELECT count(*) FROM portal.mails WHERE kind = 'welcome'") == 1


async def test_the_whole_template_is_set_up_once_and_in_order(desk: Any) -> None:
    actor, order_id = await activated(desk)

    assert await desk.set_up(order_id) == ALL_DONE

    await assert_set_up(desk, order_id)
    await desk.assert_whole(actor, order_id)
    calls = count(await desk.sandbox.calls("whm"))
    assert calls == {**dict.fromkeys(WRITES, 1), "Email::add_pop": 2}
    story = await overview.one(desk.pool, order_id)
    ended = [each.step for each in story.tried if each.outcome == "next" and each.step in ALL_DONE]
    assert ended == list(ALL_DONE)
    assert await provision.due(desk.pool) == []
    assert await overview.listed(desk.pool) == []
    email = await desk.pool.fetchval("SELECT email FROM portal.users WHERE id = $1", actor.user_id)
    assert await desk.pool.fetchval("SELECT recipient FROM portal.mails WHERE kind = 'welcome'") == email


async def test_a_product_without_a_template_has_nothing_set_up(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("hosting", actor)
    assert await desk.fulfil(order_id) == "done"
    assert await states(desk, order_id) == {}
    assert await desk.pool.fetchval("SELECT count(*) FROM portal.provision_steps") == 0


async def test_nothing_is_set_up_before_the_order_is_active(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("hosting", actor, items=[{"sku": "HOSTING-PRO"}])
    await desk.sandbox.fault("salesforce", "timeout_after_write", operation="composite", count=2)
    await fulfilment.run(desk.context, order_id)
    assert "Email::add_pop" not in {call["operation"] for call in await desk.sandbox.calls("whm")}
    assert await desk.fulfil(order_id) == "done"
    assert set((await desk.set_up(order_id)).values()) == {"done"}


async def test_a_kill_while_the_order_is_being_completed_sets_nothing_up_before_it_is(desk: Any) -> None:
    """The template is written down, and the worker dies before the order is done."""
    _actor, order_id = await activated(desk)
    before = len(await desk.sandbox.calls("whm"))
    await desk.pool.execute(
        "UPDATE portal.fulfilments SET state = 'running', finished_at = NULL, "
        "next_attempt_at = now() + interval '1 hour'"
    )
    await desk.hurry_steps(order_id, "running")
    assert await provision.due(desk.pool) == []
    await fulfilment.run(desk.context, order_id)
    assert len(await desk.sandbox.calls("whm")) == before

    await desk.hurry(order_id)
    assert await desk.fulfil(order_id) == "done"
    assert await desk.set_up(order_id) == ALL_DONE
    await assert_set_up(desk, order_id)


async def test_what_staff_skip_is_not_tried_again_not_even_by_who_is_at_it(desk: Any) -> None:
    _actor, order_id = await activated(desk)
    domain = (await desk.hosted(order_id))["domain"]
    await desk.server(unreachable=[domain])
    assert (await desk.set_up(order_id))["setup_ssl"] == "paused"
    await desk.hurry_steps(order_id, "paused")
    await desk.sandbox.fault("whm", "latency", operation="listaccts", seconds=0.8)
    run = asyncio.create_task(fulfilment.run(desk.context, order_id))
    await asyncio.sleep(0.4)

    story = await decide.skip(desk.context, AYA, order_id, "The domain is parked.")

    await run
    assert await states(desk, order_id) == {**ALL_DONE, "setup_ssl": "skipped"}
    assert story.fulfilment.provision_state == "skipped"
    assert await overview.listed(desk.pool) == []
    assert await overview.provision_counts(desk.pool) == []
    with pytest.raises(Conflict) as refused:
        await decide.skip(desk.context, AYA, order_id, "again")
    assert refused.value.code == "nothing_to_skip"


@pytest.mark.parametrize("operation", WRITES)
async def test_a_kill_after_a_write_repeats_nothing(desk: Any, operation: str) -> None:
    """The worker dies while the answer to the write is on its way."""
    actor, order_id = await activated(desk)
    await desk.sandbox.fault("whm", "timeout_after_write", operation=operation)
    while operation not in {call["operation"] for call in await desk.sandbox.calls("whm")}:
        run = asyncio.create_task(fulfilment.run(desk.context, order_id))
        for _ in range(200):
            if run.done() or operation in {call["operation"] for call in await desk.sandbox.calls("whm")}:
                break
            await asyncio.sleep(0.02)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await desk.hurry_steps(order_id, "running")

    assert await desk.set_up(order_id) == ALL_DONE

    await assert_set_up(desk, order_id)
    await desk.assert_whole(actor, order_id)
    calls = count(await desk.sandbox.calls("whm"))
    # Asking again for a grant or a check changes nothing, so they are not looked for first.
    harmless = operation in ("Mysql::set_privileges_on_database", "SSL::start_autossl_check")
    assert calls[operation] in ((1, 2) if harmless else ((2,) if operation == "Email::add_pop" else (1,)))


def worker(settings: Settings) -> subprocess.Popen[bytes]:
    """Start a worker as a process of its own."""
    own = {field.name.upper(): str(getattr(settings, field.name)) for field in msgspec.structs.fields(Settings)}
    argv = [sys.executable, "-m", "app.cli", "worker"]
    return subprocess.Popen(argv, env=os.environ | own | {"SWEEP_SECONDS": "1"}, stderr=subprocess.DEVNULL)


async def test_a_worker_that_is_killed_at_its_writes_leaves_them_to_the_next(desk: Any) -> None:
    actor, order_id = await activated(desk)
    for operation in ("Mysql::create_user", "Email::add_pop", "WordPressSite::create", None):
        process = worker(desk.context.settings)
        try:
            async with asyncio.timeout(30):
                while True:
                    calls = {call["operation"] for call in await desk.sandbox.calls("whm")}
                    if operation in calls or (operation is None and await states(desk, order_id) == ALL_DONE):
                        break
                    await desk.hurry_steps(order_id, "running")
                    await asyncio.sleep(0.05)
        finally:
            process.kill()
            process.wait()
    await assert_set_up(desk, order_id)
    await desk.assert_whole(actor, order_id)
    assert count(await desk.sandbox.calls("whm"))["WordPressSite::create"] == 1


async def test_a_kill_after_any_step_repeats_nothing(desk: Any) -> None:
    """Each step is through once, and the worker dies before that is written down."""
    _actor, order_id = await activated(desk)
    assert await desk.set_up(order_id) == ALL_DONE
    before = count(await desk.sandbox.calls("whm"))
    for step in ALL_DONE:
        await desk.pool.execute(
            "UPDATE portal.provision_steps SET state = 'running', attempt = 1, next_attempt_at = now() "
            "WHERE order_id = $1 AND step = $2",
            order_id,
            step,
        )
        assert await desk.set_up(order_id) == ALL_DONE
        await assert_set_up(desk, order_id)
        assert count(await desk.sandbox.calls("whm")) == before, step


async def test_what_the_server_lacks_is_told_to_staff_and_holds_up_nothing(desk: Any) -> None:
    actor, order_id = await activated(desk)
    await desk.server(missing=["wp-toolkit"])

    with capture_logs() as logs:
        found = await desk.set_up(order_id)

    assert found == {**ALL_DONE, "install_wordpress": "failed"}
    await desk.assert_whole(actor, order_id)
    [listed] = await overview.listed(desk.pool)
    assert (listed.order_id, listed.state) == (order_id, "done")
    told = (listed.provision_state, listed.provision_step, listed.provision_error_code)
    assert told == ("failed", "install_wordpress", "HOSTING_FEATURE_MISSING")
    [step] = [each for each in (await overview.one(desk.pool, order_id)).provision if each.state == "failed"]
    assert "wp-toolkit" in (step.error_message or "")
    [count] = await overview.provision_counts(desk.pool)
    assert (count.step, count.state, count.error_code, count.count) == (
        "install_wordpress",
        "failed",
        "HOSTING_FEATURE_MISSING",
        1,
    )
    assert [each["code"] for each in logs if each["event"] == "provision_step" and each["log_level"] == "error"] == [
        "HOSTING_FEATURE_MISSING"
    ]
    assert await desk.pool.fetchval("SELECT count(*) FROM portal.mails WHERE kind = 'welcome'") == 1

    await desk.server(missing=[])
    story = await decide.retry(desk.context, AYA, order_id)
    assert (story.fulfilment.state, story.fulfilment.provision_state) == ("done", "running")
    assert await desk.set_up(order_id) == ALL_DONE
    assert await overview.listed(desk.pool) == []
    steps = await desk.pool.fetchval("SELECT detail ->> 'steps' FROM portal.audit WHERE target = $1", order_id)
    assert steps == "install_wordpress"
    with pytest.raises(Conflict) as over:
        await decide.retry(desk.context, AYA, order_id)
    assert over.value.code == "fulfilment_over"
    with pytest.raises(Conflict) as refused:
        await decide.cancel(desk.context, AYA, order_id, "not any more")
    assert refused.value.code == "fulfilment_over"


async def test_a_full_account_and_a_refusal_have_codes_of_their_own(desk: Any) -> None:
    _actor, order_id = await activated(desk)
    await desk.server(limits={"databases": 0}, wordpress_fails="PHP 5.4 is too old.", delay_seconds=0)

    found = await desk.set_up(order_id)

    assert found == {**ALL_DONE, "create_database": "failed", "install_wordpress": "failed"}
    story = await overview.one(desk.pool, order_id)
    codes = {each.step: (each.error_code, each.error_message) for each in story.provision if each.error_code}
    assert codes["create_database"][0] == "HOSTING_QUOTA_REACHED"
    assert codes["install_wordpress"] == ("WORDPRESS_NOT_INSTALLED", "WP Toolkit says: PHP 5.4 is too old.")

    await desk.server(limits={}, wordpress_fails="")
    await decide.retry(desk.context, AYA, order_id)
    assert await desk.set_up(order_id) == ALL_DONE
    await assert_set_up(desk, order_id)


async def test_a_site_is_asked_for_once_while_the_server_may_not_know_of_it_yet(desk: Any) -> None:
    _actor, order_id = await activated(desk)
    await desk.server(lag_seconds=3_600, delay_seconds=0)
    await desk.pool.execute("UPDATE portal.provision_steps SET state = 'done' WHERE step = 'setup_ssl'")
    for _ in range(5):
        await desk.pool.execute("UPDATE portal.provision_steps SET next_attempt_at = now() WHERE state = 'running'")
        await fulfilment.run(desk.context, order_id)
    assert count(await desk.sandbox.calls("whm"))["WordPressSite::create"] == 1

    await desk.hurry_steps(order_id, "running")
    await fulfilment.run(desk.context, order_id)
    assert count(await desk.sandbox.calls("whm"))["WordPressSite::create"] == 2, "there was no sign of it for long"
    assert (await states(desk, order_id))["install_wordpress"] == "running", "that it was under way is no error"

    await desk.server(lag_seconds=0)
    assert await desk.set_up(order_id) == ALL_DONE


async def test_a_site_without_its_plugins_goes_to_staff_until_they_are_there(desk: Any) -> None:
    _actor, order_id = await activated(desk)
    await desk.server(wordpress_set=["wordfence"])
    assert (await desk.set_up(order_id))["install_wordpress"] == "failed"
    story = await overview.one(desk.pool, order_id)
    assert story.fulfilment.provision_error_code == "WORDPRESS_PLUGINS_MISSING"
    assert "without wp-super-cache" in (story.provision[4].error_message or "")

    await desk.server(wordpress_set=["wordfence", "wp-super-cache"])
    await decide.retry(desk.context, AYA, order_id)
    assert await desk.set_up(order_id) == ALL_DONE
    assert count(await desk.sandbox.calls("whm"))["WordPressSite::create"] == 1


async def test_a_site_that_is_never_ready_is_given_up_after_half_an_hour(desk: Any) -> None:
    _actor, order_id = await activated(desk)
    await desk.server(delay_seconds=3_600)
    await desk.pool.execute("UPDATE portal.provision_steps SET state = 'done' WHERE step = 'setup_ssl'")
    for _ in range(20):
        await fulfilment.run(desk.context, order_id)
        await desk.pool.execute("UPDATE portal.provision_steps SET state = 'done' WHERE step = 'setup_ssl'")
        await desk.hurry_steps(order_id, "running")
    found = await states(desk, order_id)
    assert (found["install_wordpress"], found["send_welcome_email"]) == ("failed", "done")
    assert (await overview.one(desk.pool, order_id)).fulfilment.provision_error_code == "WORDPRESS_NOT_INSTALLED"
    assert count(await desk.sandbox.calls("whm"))["WordPressSite::create"] == 1


async def test_a_domain_that_does_not_lead_here_yet_is_looked_at_again_by_itself(desk: Any) -> None:
    _actor, order_id = await activated(desk)
    domain = (await desk.hosted(order_id))["domain"]
    await desk.server(unreachable=[domain])

    assert await desk.set_up(order_id) == {**ALL_DONE, "setup_ssl": "paused"}

    [listed] = await overview.listed(desk.pool)
    assert (listed.provision_state, listed.provision_error_code) == ("paused", "CERTIFICATE_NOT_ISSUED")
    assert await provision.due(desk.pool) == []
    pauses = (await overview.pace(desk.pool)).pauses
    assert "CERTIFICATE_NOT_ISSUED" not in pauses, "that is a metric of orders on their way"

    await desk.server(unreachable=[])
    await desk.hurry_steps(order_id, "paused")
    assert await provision.due(desk.pool) == [order_id]
    assert await desk.set_up(order_id) == ALL_DONE
    assert count(await desk.sandbox.calls("whm"))["SSL::start_autossl_check"] == 2


async def test_an_unavailable_server_is_retried_with_growing_pauses_and_not_forever(desk: Any) -> None:
    actor, order_id = await activated(desk)
    await desk.sandbox.fault("whm", "down", operation="listaccts", count=10_000)

    found = await desk.set_up(order_id)

    paused = dict.fromkeys(STEPS[:-1], "paused")
    assert found == {"find_template": "done", **paused, "send_welcome_email": "done"}
    tries = await desk.pool.fetch(
        "SELECT outcome FROM portal.fulfilment_steps WHERE order_id = $1 AND step = 'setup_ssl' ORDER BY id", order_id
    )
    assert [row["outcome"] for row in tries] == ["retry", "retry", "pause"]
    waits = []
    for attempt in (3, 4, MOST_TRIES - 1, MOST_TRIES):
        await desk.pool.execute(
            "UPDATE portal.provision_steps SET attempt = $1, next_attempt_at = now() WHERE step = 'setup_ssl'",
            attempt - 1,
        )
        await fulfilment.run(desk.context, order_id)
        row = await desk.pool.fetchrow(
            "SELECT state, error_code, extract(epoch FROM next_attempt_at - now())::float AS seconds "
            "FROM portal.provision_steps WHERE step = 'setup_ssl'"
        )
        waits.append((row["state"], row["error_code"], round(row["seconds"] / 60)))
    code = "WHM_UNAVAILABLE"
    assert waits == [("paused", code, 1), ("paused", code, 2), ("paused", code, 60), ("failed", code, 0)]
    await desk.assert_whole(actor, order_id)

    await desk.sandbox.clear_faults()
    desk.let_in()
    await desk.pool.execute(
        "INSERT INTO read_model.upstreams (upstream, state, since) VALUES ('whm', 'closed', clock_timestamp()) "
        "ON CONFLICT (upstream) DO UPDATE SET state = 'closed', since = clock_timestamp(), "
        "version = upstreams.version + 1"
    )
    await fulfilment.resume_after_outages(desk.pool)
    due = "SELECT count(*) FROM portal.provision_steps WHERE state = 'paused' AND next_attempt_at <= now()"
    assert await desk.pool.fetchval(due) == len(paused) - 1
    await decide.retry(desk.context, AYA, order_id)
    assert await desk.set_up(order_id) == ALL_DONE


async def test_an_account_that_is_gone_has_nothing_made_for_it(desk: Any) -> None:
    _actor, order_id = await activated(desk)
    await desk.context.whm.remove_account((await desk.journal(order_id))["facts"]["hosting_username"])
    found = await desk.set_up(order_id)
    assert {found[step] for step in STEPS[:-1]} == {"failed"}
    assert (await overview.one(desk.pool, order_id)).fulfilment.provision_error_code == "HOSTING_ACCOUNT_MISSING"


async def test_a_template_that_is_not_there_is_found_by_staff_and_followed_once_it_is(
    desk: Any, tmp_path: Path
) -> None:
    actor = await desk.customer()
    [row] = await desk.resources.salesforce.query("SELECT Id FROM Product2 WHERE StockKeepingUnit = 'HOSTING-PRO'")
    await desk.resources.salesforce.update("Product2", row["Id"], {"Provision_Template__c": "shop"})
    order_id = await desk.ordered("hosting", actor, items=[{"sku": "HOSTING-PRO"}])
    assert await desk.fulfil(order_id) == "done"
    assert await states(desk, order_id) == {"find_template": "failed"}
    await desk.assert_whole(actor, order_id)
    [step] = (await overview.one(desk.pool, order_id)).provision
    assert (step.error_code, "plain, wordpress" in (step.error_message or "")) == ("PROVISION_TEMPLATE_UNKNOWN", True)

    (tmp_path / "ours.toml").write_text('[shop]\nprovision_steps = ["send_welcome_email"]')
    settings = msgspec.structs.replace(desk.context.settings, provision_templates=str(tmp_path))
    desk.context = msgspec.structs.replace(desk.context, settings=settings)
    await decide.retry(desk.context, AYA, order_id)
    assert await desk.set_up(order_id) == {"find_template": "done", "send_welcome_email": "done"}


async def test_a_template_that_changes_leaves_orders_under_way_as_they_are(desk: Any, tmp_path: Path) -> None:
    file = tmp_path / "ours.toml"
    file.write_text((templates.OWN / "hosting.toml").read_text())
    settings = msgspec.structs.replace(desk.context.settings, provision_templates=str(tmp_path))
    desk.context = msgspec.structs.replace(desk.context, settings=settings)
    _actor, order_id = await activated(desk)

    file.write_text('[wordpress]\nprovision_steps = ["send_welcome_email"]')
    templates.load.cache_clear()

    assert await desk.set_up(order_id) == ALL_DONE
    await assert_set_up(desk, order_id)


async def test_passwords_are_nowhere(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in the journal nor in a log, whatever becomes of the call that carried one."""
    monkeypatch.setattr("app.commands.fulfilment.provision.creation.secrets.token_urlsafe", lambda _: "hunter2" * 4)
    _actor, order_id = await activated(desk)
    for operation in ("Mysql::create_user", "Email::add_pop"):
        await desk.sandbox.fault("whm", "timeout_after_write", operation=operation)
    with capture_logs() as logs:
        assert await desk.set_up(order_id) == ALL_DONE
    assert "hunter2" not in repr(logs)
    for table in ("fulfilments", "provision_steps", "fulfilment_steps", "mails", "audit"):
        assert "hunter2" not in repr(await desk.pool.fetch(f"SELECT * FROM portal.{table}"))


async def test_several_workers_set_up_one_order_once(desk: Any) -> None:
    _actor, order_id = await activated(desk)
    for _ in range(6):
        await asyncio.gather(*(fulfilment.run(desk.context, order_id) for _ in range(4)))
        await desk.hurry_steps(order_id, "running")
        await asyncio.sleep(0.1)
    assert await desk.set_up(order_id) == ALL_DONE
    assert count(await desk.sandbox.calls("whm"))["WordPressSite::create"] == 1
    await assert_set_up(desk, order_id)


async def test_the_worker_finds_what_is_left_to_set_up(desk: Any) -> None:
    _actor, order_id = await activated(desk)
    await desk.pool.execute("UPDATE portal.provision_steps SET next_attempt_at = now() - interval '1 second'")
    assert await fulfilment.provision_due(desk.pool) == [order_id]
    await desk.work.fulfil(None, order_id=order_id)
    assert (await states(desk, order_id))["create_database"] == "done"
    assert datetime.now(UTC) > (await desk.journal(order_id))["finished_at"]
