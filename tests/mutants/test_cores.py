"""The table of pure cores names modules, tests and mutants that there are, also after something has moved."""

from pathlib import Path

import pytest

from tests.mutants.cores import CORES, Core
from tests.mutants.mutate import all_mutants


@pytest.mark.parametrize("core", CORES.values(), ids=CORES)
def test_a_core_names_modules_and_tests_that_there_are(core: Core) -> None:
    assert [each for each in (*core.paths, *core.tests) if not Path(each).is_file()] == []


@pytest.mark.parametrize(
    "core", [core for core in CORES.values() if core.equivalent or core.only], ids=lambda core: core.paths[0]
)
def test_functions_and_equivalents_are_those_of_the_module(core: Core) -> None:
    made = all_mutants(core.paths, core.only)
    assert dict(core.equivalent).keys() <= {each.name for each in made}
    assert {each.function for each in made} >= set(core.only)
