"""The WHMCS hook file and its sender, run by the real php, against the real webhook route."""

import re
import signal
import subprocess
import time

import asyncpg
import msgspec
import pytest

from app.integrations.whmcs import webhook
from sandbox.whmcs import hooks as sandbox_hooks
from sandbox.whmcs.state import Webhook
from tests.deploy.conftest import HOST, ROOT, WHMCS, Api, Whmcs
from tests.deploy.payloads import FIRED, MIRRORED, WHERE_ROWS
from tests.deploy.payloads import SECRET as PRIVATE

EVERYTHING = [(event, payload) for event, (payload, _) in FIRED.items()]


@pytest.mark.parametrize("path", [*WHMCS.rglob("*.php"), *HOST.glob("*.php")], ids=lambda path: path.name)
def test_php_understands_it(php, path):
    ended = subprocess.run([php, "-l", "-d", "error_reporting=-1", path], capture_output=True, text=True, timeout=20)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_every_registered_hook_point_is_tried(whmcs):
    (registered,) = whmcs.fire("?")
    assert sorted(registered) == sorted(FIRED)


def test_whatever_the_stand_in_announces_the_hook_file_does_too(whmcs):
    text = "".join(path.read_text() for path in (ROOT / "sandbox" / "whmcs").rglob("*.py"))
    fired = set(re.findall(r'fire\((?:[\w.]+, )?"([A-Z]\w+)"', text)) | webhook.EARLY
    assert len(fired) > 10
    assert fired <= set(FIRED)


@pytest.mark.parametrize("event", FIRED)
def test_a_hook_sends_ids_and_nothing_else(whmcs, event):
    payload, told = FIRED[event]
    (ran,) = whmcs.fire((event, payload))
    assert (ran["printed"], whmcs.errors) == ("", "")
    found = whmcs.waiting()
    assert [(each["object"], each["id"], each["client_id"]) for each in found] == told
    assert {each["event"] for each in found} == {event}
    wanted = {"event", "object", "id", "client_id", "occurred_at"} | ({"merged_into"} if "Merge" in event else set())
    assert all(set(each) == wanted for each in found)
    assert PRIVATE not in "".join(path.read_text() for path in whmcs.spool.iterdir())


def test_a_merge_names_the_client_that_is_left(whmcs):
    whmcs.fire(("AfterClientMerge", {"toUserID": 8, "fromUserID": 7}))
    (body,) = whmcs.waiting()
    assert (body["id"], body["merged_into"]) == ("7", "8")
    heard = webhook.decode("msg", msgspec.json.encode(body))
    assert [(change.object, change.record_id, change.data) for change in heard.changes] == [
        ("client", "7", {}),
        ("merge", "7", {"into": "8"}),
    ]


def test_an_invoice_says_which_service_each_of_its_upgrades_is_for(whmcs):
    whmcs.fire(("InvoiceCreation", {"invoiceid": 9023}))
    (body,) = whmcs.waiting()
    assert body["upgrades"] == {"71": "31"}
    twin = msgspec.json.decode(
        sandbox_hooks.content(Webhook("m", "x", "invoice", "9023", "7", "", upgrades=(("71", "31"),)))
    )
    assert (set(body), body["upgrades"]) == (set(twin), twin["upgrades"])
    heard = webhook.decode("msg", msgspec.json.encode(body)).changes
    assert [(change.kind, change.object, change.record_id, change.parent_id) for change in heard] == [
        ("hint", "invoice", "9023", None),
        ("full", "invoice_upgrade", "9023:71", "9023"),
    ]
    assert heard[1].data == {"upgrade_id": "71", "service_id": "31"}


def test_an_invoice_is_told_also_where_its_lines_cannot_be_read(whmcs, monkeypatch):
    monkeypatch.setitem(WHERE_ROWS, "tblinvoiceitems", None)
    (ran,) = whmcs.fire(("InvoicePaid", {"invoiceid": 9023}))
    (body,) = whmcs.waiting()
    assert (ran["printed"], body["id"], "upgrades" in body) == ("", "9023", False)


def test_it_says_the_same_as_the_stand_in(whmcs):
    whmcs.fire(("InvoicePaid", {"invoiceid": 21}))
    (body,) = whmcs.waiting()
    twin = msgspec.json.decode(sandbox_hooks.content(Webhook("m", "InvoicePaid", "invoice", "21", "7", "")))
    assert set(body) == set(twin)


@pytest.mark.parametrize("broken", ["no spool", "no space for names", "strange payloads"])
def test_nothing_reaches_the_page(whmcs, broken):
    asked = list(EVERYTHING)
    if broken == "no spool":
        whmcs.spool.rmdir()
    elif broken == "no space for names":
        whmcs.spool.rmdir()
        whmcs.spool.write_text("a file")
    else:
        strange = (
            None,
            "text",
            [],
            {"invoiceid": PRIVATE},
            {"invoiceid": {"a": 1}},
            {"userid": "7; DROP"},
            {"params": 3},
        )
        asked = [(event, payload) for event in FIRED for payload in strange]
    ran = whmcs.fire(*asked)
    assert {each["printed"] for each in ran} == {""}
    if broken == "strange payloads":
        assert whmcs.waiting() == []


def test_a_hook_costs_the_page_next_to_nothing(whmcs):
    ran = whmcs.fire(*[("InvoicePaid", {"invoiceid": number}) for number in range(1, 501)])
    took = sorted(each["microseconds"] for each in ran)
    assert took[len(took) // 2] < 2_000, "half of all hooks take less than two milliseconds"
    assert [each["id"] for each in whmcs.waiting()] == [str(number) for number in range(1, 501)]


async def records(pool: asyncpg.Pool) -> list[tuple[str, str]]:
    rows = await pool.fetch("SELECT object, record_id FROM ingest.inbox WHERE event_id NOT LIKE '%:again' ORDER BY id")
    return [(row["object"], row["record_id"]) for row in rows]


async def test_every_hook_arrives_in_the_inbox(whmcs: Whmcs, api: Api, pool: asyncpg.Pool) -> None:
    api.start()
    whmcs.configure(api.url)
    whmcs.fire(*EVERYTHING)
    ended = whmcs.send()
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert whmcs.waiting() == []
    told = [(event, each) for event, (_, notices) in FIRED.items() for each in notices]
    expected = [
        ("client_services", "7") if "Addon" in event else MIRRORED[each[0]](each)
        for event, each in told
        if each[0] in MIRRORED
    ]
    expected += [("merge", "7"), ("cancel_requests", "all")]
    assert sorted(await records(pool)) == sorted(expected)


async def test_an_absent_portal_loses_nothing_and_gets_it_in_order(whmcs: Whmcs, api: Api, pool: asyncpg.Pool) -> None:
    whmcs.configure(api.url)
    whmcs.fire(*[("InvoicePaid", {"invoiceid": number}) for number in range(1, 41)])
    started = time.monotonic()
    ended = whmcs.send()
    assert "not delivered" in ended.stderr
    assert time.monotonic() - started < 60, "one attempt, not one for each notice"
    assert len(whmcs.waiting()) == 40
    assert '"waiting":40' in whmcs.send("--status").stdout
    api.start()
    for _ in range(15):
        whmcs.send("--seconds", "4")
        if not whmcs.waiting():
            break
    assert whmcs.waiting() == []
    assert await records(pool) == [("invoice", str(number)) for number in range(1, 41)]
    assert not (whmcs.spool / ".backoff").exists()


async def test_a_killed_sender_loses_nothing(whmcs: Whmcs, api: Api, pool: asyncpg.Pool) -> None:
    api.start()
    whmcs.configure(api.url)
    whmcs.fire(*[("InvoicePaid", {"invoiceid": number}) for number in range(1, 301)])
    kills = 0
    while whmcs.waiting():
        sender = subprocess.Popen(whmcs.argv("--seconds", "20"))
        time.sleep(0.25 if kills < 4 else 5)
        sender.send_signal(signal.SIGKILL)
        sender.wait()
        kills += 1
    assert kills > 1
    assert sorted(await records(pool)) == sorted(("invoice", str(number)) for number in range(1, 301))


async def test_what_is_spooled_while_a_sender_runs_is_sent_by_it(whmcs: Whmcs, api: Api, pool: asyncpg.Pool) -> None:
    api.start()
    whmcs.configure(api.url)
    sender = subprocess.Popen(whmcs.argv("--seconds", "20"))
    try:
        time.sleep(0.5)
        whmcs.fire(("InvoicePaid", {"invoiceid": 5}))
        while not await records(pool):
            assert sender.poll() is None, "it ended without sending"
            time.sleep(0.02)
        assert whmcs.send("--seconds", "20").returncode == 0, "a second sender leaves at once"
    finally:
        sender.terminate()
        sender.wait()


async def test_a_notice_refused_for_good_holds_nobody_up(whmcs: Whmcs, api: Api, pool: asyncpg.Pool) -> None:
    api.start()
    whmcs.configure(api.url)
    (whmcs.spool / "0000000001000000-whmcs_bad.json").write_text('{"event": 1}')
    whmcs.fire(("InvoicePaid", {"invoiceid": 5}))
    ended = whmcs.send()
    assert "refused" in ended.stderr
    assert [path.name for path in (whmcs.spool / "rejected").iterdir()] == ["0000000001000000-whmcs_bad.json"]
    assert await records(pool) == [("invoice", "5")]


async def test_a_wrong_secret_holds_everything(whmcs: Whmcs, api: Api, pool: asyncpg.Pool) -> None:
    api.start()
    whmcs.configure(api.url, secret="another")
    whmcs.fire(("InvoicePaid", {"invoiceid": 5}))
    whmcs.send("--seconds", "2")
    assert len(whmcs.waiting()) == 1
    assert (whmcs.send("--check").returncode, "WHMCS_WEBHOOK_SECRETS" in whmcs.send("--check").stderr) == (1, True)
    whmcs.configure(api.url)
    whmcs.send("--seconds", "8")
    assert await records(pool) == [("invoice", "5")]


def test_check_says_what_is_wrong(whmcs: Whmcs, api: Api) -> None:
    assert "config.example.php" in whmcs.send("--check").stderr
    whmcs.configure(api.url)
    assert "cannot be reached" in whmcs.send("--check").stderr
    api.start()
    ended = whmcs.send("--check")
    assert (ended.returncode, "all is well" in ended.stdout) == (0, True)
    whmcs.configure(f"{api.url}/elsewhere")
    assert "PUBLIC_URL/webhooks/whmcs" in whmcs.send("--check").stderr
    whmcs.spool.rmdir()
    assert whmcs.send("--check").returncode == 2


def test_the_pages_of_a_browser_show_nothing(php: str) -> None:
    ended = subprocess.run([php, str(WHMCS / "portal.php")], capture_output=True, text=True, timeout=20)
    assert ended.stdout == "This file cannot be accessed directly."


def test_the_role_named_to_the_administrator_allows_every_action() -> None:
    text = (WHMCS / "README.md").read_text()
    listed = set(
        re.findall(r"`([A-Z][a-z]+[A-Z]\w+)`", text.partition("needs these actions:")[2].partition("Allow")[0])
    )
    code = "".join(path.read_text() for path in (ROOT / "app" / "integrations" / "whmcs").glob("*.py"))
    verbs = "Accept|Add|Cancel|Capture|Close|Create|Get|Update|Upgrade|Validate"
    called = set(re.findall(rf'"((?:{verbs})[A-Z]\w+)"', code)) - {"CancelAndRefundOrder"}
    assert len(called) > 10
    assert called <= listed
