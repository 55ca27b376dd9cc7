"""The tree keeps its rules: small folders, one meaning per type name, and tests where their subject is."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_MODULES = 18
TREES = ("app", "sandbox", "tests", "benchmarks")
SUITES = {
    "benchmarks": "each benchmark runs",
    "clients": "published clients against a running portal",
    "conformance": "independent clients against the sandbox",
    "deploy": "what is installed elsewhere",
    "docs": "what the documents promise",
    "faults": "a whole portal among failing upstreams",
    "fixtures": "shared by several suites",
    "fuzz": "every route with generated requests",
    "http/reads": "what holds for every query over HTTP",
    "integrations/sandbox": "every client against the running sandbox",
    "journey": "the whole customer journey",
    "mutants": "mutation tests of the pure modules",
    "supply_chain": "locked dependencies and what may reach the network",
}
"""Folders of tests that look at more than one folder of the source, with what they look at."""
SHARED_NAMES: dict[str, str] = {}
"""Type names that `app` defines more than once, with the reason."""


def folders(tree: str) -> Iterator[Path]:
    """Yield every folder of a tree that holds modules."""
    for folder in [ROOT / tree, *(ROOT / tree).rglob("*")]:
        if folder.is_dir() and modules(folder):
            yield folder


def modules(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.py") if path.name != "__init__.py")


def type_names(module: Path) -> Iterator[str]:
    """Yield the names of the classes and type aliases that a module defines."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation).endswith("TypeAlias"):
            yield ast.unparse(node.target)


@pytest.mark.parametrize("tree", TREES)
def test_no_folder_holds_more_modules_than_fit_on_a_screen(tree: str) -> None:
    crowded = {str(each.relative_to(ROOT)): len(modules(each)) for each in folders(tree)}
    assert {name: size for name, size in crowded.items() if size > MOST_MODULES} == {}


def test_no_type_name_is_defined_twice() -> None:
    defined = Counter(name for module in (ROOT / "app").rglob("*.py") for name in type_names(module))
    assert {name for name, times in defined.items() if times > 1} == set(SHARED_NAMES)


def test_every_folder_of_tests_mirrors_a_folder_of_the_source() -> None:
    mirrored = {str(each.relative_to(ROOT / "app")) for each in folders("app")}
    mirrored |= {str(each.relative_to(ROOT)) for each in folders("sandbox")}
    found = {str(each.relative_to(ROOT / "tests")) for each in folders("tests")}
    assert found - mirrored - set(SUITES) == set()
    assert set(SUITES) - found == set(), "a suite that is gone"
