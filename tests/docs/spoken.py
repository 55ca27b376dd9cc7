"""What `app` says: its sentences and codes, and which of them belong together.

A value that is filled in, by an f-string or `format`, is an ellipsis here, as in the guides: “Invoice … not found.”
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

APP = Path(__file__).parents[2] / "app"
FILLED_IN = re.compile(r"\{[^{}]*\}")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
CODE = re.compile(r"[a-z]+(?:_[a-z]+)+|[A-Z]+(?:_[A-Z]+)+")


def plain(text: str) -> str:
    """A sentence as guides write it: one line, an ellipsis for what is filled in, none at its ends."""
    return re.sub(r"…(?:\s*…)*", "…", " ".join(FILLED_IN.sub("…", text).split())).strip("… ")


def _texts(node: ast.AST) -> Iterator[str]:
    """Every text below a node; the parts of an f-string are one."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                yield from _texts(part.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from _texts(child)


def _statements(path: Path) -> Iterator[frozenset[str]]:
    """The texts of each statement of a module, with those of the names that it uses: constants of the module, errors,
    and, in a function, the functions that it calls."""
    body = ast.parse(path.read_text()).body
    own = [(statement, frozenset(map(plain, _texts(statement)))) for statement in body]
    constants = {name: texts for statement, texts in own for name in _assigned(statement)}
    functions = {statement.name: texts for statement, texts in own if isinstance(statement, FUNCTIONS)}
    for statement, texts in own:
        followed = constants | _errors() | (functions if isinstance(statement, FUNCTIONS) else {})
        used = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
        yield texts.union(*(followed[name] for name in used & set(followed)))


@cache
def _errors() -> dict[str, frozenset[str]]:
    """The kinds of error, with code and sentence."""
    body = ast.parse((APP / "errors.py").read_text()).body
    return {each.name: frozenset(map(plain, _texts(each))) for each in body if isinstance(each, ast.ClassDef)}


def _assigned(statement: ast.stmt) -> list[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


@cache
def groups() -> tuple[frozenset[str], ...]:
    """The texts of every statement in `app`."""
    return tuple(texts for path in sorted(APP.rglob("*.py")) for texts in _statements(path))


@cache
def texts() -> frozenset[str]:
    """Every text in `app`."""
    return frozenset().union(*groups())


def belong_together(code: str, sentence: str) -> bool:
    """Return true if one statement of `app` has both."""
    return any(code in group and plain(sentence) in group for group in groups())
