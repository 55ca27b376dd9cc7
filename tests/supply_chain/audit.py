"""`make audit`: known vulnerabilities of what is locked in requirements-demo.txt, by pip-audit.

A machine that reaches a package mirror but no vulnerability service cannot be checked; that is reported, and is no
failure. A vulnerability is.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECONDS = 120


def main() -> None:
    """Exit with 1 when a locked dependency has a known vulnerability."""
    tool = Path(sys.executable).with_name("pip-audit")
    argv = [str(tool), "-r", str(ROOT / "requirements-demo.txt"), "--disable-pip", "--require-hashes", "-f", "json"]
    try:
        done = subprocess.run(
            [*argv, "--progress-spinner", "off"], capture_output=True, text=True, timeout=SECONDS, check=False
        )
        found = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, json.JSONDecodeError) as error:
        print(f"Dependencies not audited: no vulnerability service answers ({type(error).__name__}).")
        return
    known = [each for each in found if each.get("vulns")]
    for each in known:
        ids = ", ".join(vulnerability["id"] for vulnerability in each["vulns"])
        print(f"{each['name']} {each['version']}: {ids}")
    skipped = sum("skip_reason" in each for each in found)
    if skipped == len(found):
        print("Dependencies not audited: no vulnerability service that can be reached knows them.")
        return
    print(f"Dependencies audited: {len(found) - skipped} of {len(found)}, {len(known)} with known vulnerabilities.")
    sys.exit(bool(known))


if __name__ == "__main__":
    main()
