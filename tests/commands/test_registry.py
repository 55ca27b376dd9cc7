"""No command is forgotten: each stands in the table under its own name."""

from app.commands.registry import COMMANDS


def test_names_are_those_of_their_functions_and_unique() -> None:
    names = [command.name for command in COMMANDS]
    assert names == [command.handle.__name__ for command in COMMANDS]
    assert len(set(names)) == len(names)
