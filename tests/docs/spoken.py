"""What `app` says: its sentences and codes, and which of them belong together.

A value that is filled in, by an f-string, `format` or a catalog, is an ellipsis here, as in the guides: “Invoice … not
found.” What is said by its code is the English sentence of the catalog.
"""

import ast
import re
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

APP = Path(__file__).parents[2] / "app"
FILLED_IN = re.compile(r"\{[^{}]*\}")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
CODE = re.compile(r"[a-z]+(?:_[a-z]+)+|[A-Z]+(?:_[A-Z]+)+")


def plain(text: str) -> str:
    """A sentence as guides write it: one line, an ellipsis for what is filled in, none at its ends."""
    return re.sub(r"…(?:\s*…)*", "…", " ".join(FILLED_IN.sub("…", text).split())).strip("… ")


@cache
def _sentences() -> dict[str, str]:
    """Code → its English sentence."""
    files = {file.stem: tomllib.loads(file.read_text()) for file in (APP / "words" / "catalogs").glob("*.toml")}
    return {f"{area}.{name}": entry["en"] for area, found in files.items() for name, entry in found.items()}


def _is_said(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say"


def _texts(node: ast.AST) -> Iterator[str]:
    """Every text below a node; the parts of an f-string are one."""
    if isinstance(node, ast.Call) and _is_said(node):
        for part in (*node.args, *(each.value for each in node.keywords)):
            yield from (_sentences().get(text, text) for text in _texts(part))
    elif isinstance(node, ast.JoinedStr):
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
def groups() -> tuple[tuple[Path, frozenset[str]], ...]:
    """The texts of every statement in `app`, with its folder."""
    return tuple((path.parent, texts) for path in sorted(APP.rglob("*.py")) for texts in _statements(path))


@cache
def texts() -> frozenset[str]:
    """Every text in `app`."""
    return frozenset().union(*(group for _, group in groups()))


@cache
def pairs() -> dict[str, frozenset[str]]:
    """Sentence → the error codes next to it: in one tuple, one call, or as the key of the sentence in a dictionary."""
    found: dict[str, set[str]] = {}
    for path in APP.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            for neighbours in _neighbours(node):
                told = {plain(text) for each in neighbours for text in _texts(each)}
                if codes := told & _documented():
                    for sentence in told - codes:
                        found.setdefault(sentence, set()).update(codes)
    return {sentence: frozenset(codes) for sentence, codes in found.items()}


@cache
def _documented() -> frozenset[str]:
    """The codes of docs/errors.md."""
    return frozenset(re.findall(r"^\| `([a-z_]+)` \|", (APP.parent / "docs" / "errors.md").read_text(), re.M))


def _neighbours(node: ast.AST) -> Iterator[Sequence[ast.expr]]:
    if isinstance(node, ast.Tuple):
        yield _literal(node.elts)
    elif isinstance(node, ast.Call):
        yield _literal([*node.args, *(each.value for each in node.keywords)])
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            yield _literal([key, value] if key else [])


def _literal(nodes: Sequence[ast.expr]) -> Sequence[ast.expr]:
    return [each for each in nodes if isinstance(each, ast.Constant | ast.JoinedStr) or _is_said(each)]


def belong_together(code: str, sentence: str) -> bool:
    """Return true if `app` says them together: next to each other, or else in one statement, or, where no statement
    joins the sentence to a code, in one folder."""
    wanted = plain(sentence)
    if next_to_it := pairs().get(wanted):
        return code in next_to_it
    with_it = [(folder, group) for folder, group in groups() if wanted in group]
    if any(group & _documented() for _, group in with_it):
        return any(code in group for _, group in with_it)
    folders = {folder for folder, _ in with_it}
    return any(code in group for folder, group in groups() if folder in folders)
