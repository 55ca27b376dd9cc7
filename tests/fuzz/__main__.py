"""`make fuzz`: every route of the OpenAPI document, called with what fits it and what does not, on a running portal.

Looks for 5xx of our own, answers the document does not promise, wrong input that is let in, and routes that forget who
asks. Callers: a customer, one more for what ends a session, an operator, nobody. Left out: event streams, which have
no end; of the checks, that everything which fits the document is accepted, because tokens, ids and order rules cannot
be written into one, and methods that are not documented, which the framework answers.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pyotp

from benchmarks.harness.stack import State, members, running

CONFIG = Path(__file__).with_name("schemathesis.toml")
PASSWORD = "glass harbour violin 77"
OPERATOR = "operator@example.jp"
LEFT_OUT_CHECKS = ("positive_data_acceptance", "unsupported_method", "allow_header_conformance")
OWN_SESSION = "^/api/auth/(logout|sessions|mfa/|password/change)"
"""They end the very session that asks, or change how it began: a caller of their own tries them."""
ENDLESS = "/api/events"


def main() -> None:
    """Run, and exit with 1 when anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    seconds = options.minutes * 60
    os.environ |= {"LOG_LEVEL": "warning", "AUTH_RATE_PER_MINUTE": "1000000", "PUBLIC_RATE_PER_MINUTE": "1000000"}
    with running() as state:
        callers = (
            (_customer(state), 0.65, ["--exclude-path-regex", f"^/api/admin/|{OWN_SESSION}"]),
            (_customer(state), 0.05, ["--include-path-regex", OWN_SESSION]),
            (_operator(state), 0.15, ["--include-path-regex", "^/api/admin/"]),
            ("nobody", 0.15, ["--exclude-path-regex", "^/(webhooks|metrics)"]),
        )
        found = [_run(state, token, seconds * share, which, options.seed) for token, share, which in callers]
    sys.exit(max(found))


def _run(state: State, token: str, seconds: float, which: list[str], seed: int | None) -> int:
    tool = Path(sys.executable).with_name("schemathesis")
    argv = [
        str(tool),
        "--config-file",
        str(CONFIG),
        "run",
        f"{state['api_url']}/schema/openapi.json",
        "--checks",
        "all",
        *which,
    ]
    argv += ["--exclude-checks", ",".join(LEFT_OUT_CHECKS), "--max-time", str(int(seconds))]
    # One worker: Python 3.11 cannot parse source in two threads at once, which the tool does.
    argv += ["--workers", "1", "--warnings", "off", "--continue-on-failure"]
    argv += ["--exclude-path", ENDLESS]
    argv += ["--header", f"Authorization: Bearer {token}"]
    argv += ["--seed", str(seed)] if seed else []
    hooks = {"SCHEMATHESIS_HOOKS": "tests.fuzz.hooks", "PYTHONPATH": os.getcwd()}
    return subprocess.run(argv, env={**os.environ, **hooks}, check=False).returncode


def _customer(state: State) -> str:
    body = {"email": members(state)[0]["email"], "password": members(state)[0]["password"]}
    answer = httpx.post(f"{state['api_url']}/api/auth/login", json=body, timeout=30).raise_for_status()
    return str(answer.json()["token"])


def _operator(state: State) -> str:
    """Create a member of staff as operators do: invited, by mail, with a second factor."""
    environment = {**os.environ, "PORTAL_HOME": state["home"]}
    argv = [sys.executable, "-m", "app.cli", "staff", "add", OPERATOR, "--role", "operator"]
    subprocess.run(argv, env=environment, check=True)
    with httpx.Client(base_url=state["api_url"], timeout=30) as api:
        body = {"token": _invitation(state), "new_password": PASSWORD}
        api.post("/api/auth/password/reset", json=body).raise_for_status()
        login = api.post("/api/auth/login", json={"email": OPERATOR, "password": PASSWORD}).raise_for_status()
        api.cookies.clear()
        api.headers["Authorization"] = f"Bearer {login.json()['token']}"
        secret = api.post("/api/auth/mfa/enrol", json={"password": PASSWORD}).raise_for_status().json()["secret"]
        on = api.post("/api/auth/mfa/confirm", json={"code": pyotp.TOTP(secret).now()}).raise_for_status()
        return str(on.json()["token"])


def _invitation(state: State) -> str:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        mails = httpx.get(f"{state['control_url']}/mail/", params={"to": OPERATOR}).json()["mails"]
        if mails:
            return str(re.findall(r"token=([\w-]+)", mails[0]["text"])[0])
        time.sleep(0.2)
    raise RuntimeError("no invitation came")


if __name__ == "__main__":
    main()
