"""`make lock` writes sbom.cdx.json: what the runtime is made of, as CycloneDX 1.6, from requirements.txt.

Nothing but the lock and the project's own name go in, so the same lock gives the same bytes. No download addresses: an
installation says itself where its packages come from, and the hashes hold wherever that is.
"""

import json
import re
import tomllib
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements.txt"
TARGET = ROOT / "sbom.cdx.json"
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)(?: ; (?P<marker>[^\\]+?))?\s*\\?$")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_VIA = re.compile(r"^    # (?:via |  )(?P<name>[A-Za-z0-9._-]+)(?P<project> \(pyproject\.toml\))?$")


def bill(lock: str) -> dict[str, Any]:
    """Return the bill of materials of a lock's text."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    itself = {"type": "application", "bom-ref": project["name"], "name": project["name"], "version": project["version"]}
    components, edges = _read(lock, project["name"])
    parts = [itself["bom-ref"], *(each["bom-ref"] for each in components)]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, project['name'] + lock)}",
        "version": 1,
        "metadata": {"component": itself},
        "components": components,
        "dependencies": [{"ref": part, "dependsOn": sorted(edges.get(part, ()))} for part in parts],
    }


def _read(lock: str, project: str) -> tuple[list[dict[str, Any]], dict[str, set[str]]]:
    """Its packages, and by reference what each needs."""
    components: list[dict[str, Any]] = []
    needed_by: list[set[str]] = []
    for line in lock.splitlines():
        if pin := _PIN.match(line):
            components.append(_component(pin))
            needed_by.append(set())
        elif found := _HASH.search(line):
            components[-1]["hashes"].append({"alg": "SHA-256", "content": found[1]})
        elif via := _VIA.match(line):
            needed_by[-1].add(project if via["project"] else via["name"])
    refs = {each["name"]: each["bom-ref"] for each in components} | {project: project}
    edges: dict[str, set[str]] = {}
    for component, names in zip(components, needed_by, strict=True):
        for name in names:
            edges.setdefault(refs[name], set()).add(component["bom-ref"])
    return components, edges


def _component(pin: re.Match[str]) -> dict[str, Any]:
    purl = f"pkg:pypi/{pin['name']}@{pin['version']}"
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": pin["name"],
        "version": pin["version"],
        "purl": purl,
        "hashes": [],
    }
    if pin["marker"]:
        component["properties"] = [{"name": "python:environment_marker", "value": pin["marker"]}]
    return component


def text(lock: str) -> str:
    """As it stands in the file."""
    return json.dumps(bill(lock), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    TARGET.write_text(text(LOCK.read_text()))
