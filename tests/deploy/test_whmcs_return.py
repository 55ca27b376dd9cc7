"""The WHMCS hook file that leads customers back, in a real php with sessions: to the configured origins and nowhere
else."""

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.cli.stack.embedded import free_port
from app.integrations.whmcs.links import INVOICE_PATH, PAYMENT_METHODS_PATH, returning
from tests.deploy.conftest import HOST, WHMCS
from tests.inputs.test_return_url import DISGUISED

PORTAL = "https://portal.example.jp"
BACK = f"{PORTAL}/invoices/60001?paid=1&x='%22"


class Billing:
    """A client area with the hook file, and one customer's browser in it."""

    def __init__(self, php: str, home: Path) -> None:
        self.config = home / "portal-hooks" / "return.php"
        (home / "public_html").mkdir()
        self.config.parent.mkdir()
        shutil.copy(WHMCS / "portal-hooks" / "return.example.php", self.config)
        port = free_port()
        environment = {
            **os.environ,
            "WHMCS_ROOT": str(home / "public_html"),
            "WHMCS_HOOK_FILE": str(WHMCS / "portal-return.php"),
        }
        self.log = (home / "log").open("wb")
        argv = [php, "-d", f"session.save_path={home}", "-S", f"127.0.0.1:{port}", str(HOST / "page.php")]
        self.process = subprocess.Popen(argv, env=environment, stdout=self.log, stderr=self.log)
        self.browser = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False)

    def ready(self) -> None:
        for _ in range(200):
            with contextlib.suppress(httpx.TransportError):
                self.browser.get("/")
                self.browser.cookies.clear()
                return
            time.sleep(0.05)
        raise AssertionError("php did not start")

    def shows(self, path: str) -> dict[str, Any]:
        answer = self.browser.get(path)
        assert answer.status_code == 200
        shown: dict[str, Any] = json.loads(answer.content)  # anything printed would spoil it
        return shown

    def close(self) -> None:
        self.browser.close()
        self.process.terminate()
        self.process.wait(10)
        self.log.close()


@pytest.fixture
def billing(php: str, tmp_path: Path) -> Iterator[Billing]:
    made = Billing(php, tmp_path)
    try:
        made.ready()
        yield made
    finally:
        made.close()


def test_a_paid_invoice_leads_back_once(billing: Billing) -> None:
    arrived = billing.shows("/" + returning(INVOICE_PATH.format(invoice_id=60001), BACK))
    assert arrived["invoice"] == [{"portal_return_url": BACK}], "the theme may show it, the unpaid invoice stays"
    assert billing.browser.get("/viewinvoice.php?id=60001&status=Unpaid").status_code == 200
    left = billing.browser.get("/viewinvoice.php?id=60001&status=Paid")
    assert (left.status_code, left.headers["location"]) == (303, BACK)
    assert billing.browser.get("/viewinvoice.php?id=60001&status=Paid").status_code == 200


def test_other_pages_show_a_link_as_long_as_the_session_lasts(billing: Billing) -> None:
    for path in ("/" + returning(PAYMENT_METHODS_PATH, BACK), "/index.php/account/paymentmethods", "/clientarea.php"):
        header = billing.shows(path)["header"]
        assert 'href="https://portal.example.jp/invoices/60001?paid=1&amp;x=&#039;%22"' in header
    billing.browser.cookies.clear()
    assert billing.shows("/clientarea.php")["header"] == ""


@pytest.mark.parametrize("url", [url for url in DISGUISED if "\x00" not in url])
def test_no_disguised_address_is_kept(billing: Billing, url: str) -> None:
    path = "/" + returning(INVOICE_PATH.format(invoice_id=1), url)
    assert billing.shows(path) == {"page": [[]], "invoice": [[]], "header": ""}
    assert billing.browser.get("/viewinvoice.php?status=Paid").status_code == 200


def test_a_list_in_place_of_an_address_breaks_no_page(billing: Billing) -> None:
    shown = billing.shows("/viewinvoice.php?portal_return[]=https://portal.example.jp")
    assert shown["header"] == ""


@pytest.mark.parametrize(
    "config",
    [
        None,
        "<?php return 7;",
        "<?php return ['origins' => 7];",
        "<?php return ['origins' => [['https://portal.example.jp']]];",
        "<?php return ['origins' => ['', 'https://', 'https://portal.example.jp/', '*']];",
        "<?php return ['origins' => [",
    ],
)
def test_without_a_usable_configuration_whmcs_is_as_the_vendor_makes_it(billing: Billing, config: str | None) -> None:
    billing.config.unlink() if config is None else billing.config.write_text(config)
    shown = billing.shows("/" + returning(INVOICE_PATH.format(invoice_id=1), f"{PORTAL}/x"))
    assert shown["header"] == ""
    assert billing.browser.get("/viewinvoice.php?status=Paid").status_code == 200


def test_an_origin_that_is_taken_away_is_not_returned_to(billing: Billing) -> None:
    billing.shows("/" + returning(PAYMENT_METHODS_PATH, BACK))
    billing.config.write_text("<?php return ['origins' => ['https://other.example.jp']];")
    assert billing.shows("/clientarea.php")["header"] == ""
