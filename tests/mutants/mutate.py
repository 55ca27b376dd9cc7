"""Every small change of a module that could be a mistake of ours: one operator, one constant, one condition."""

import ast
import copy
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Add,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}


class Mutant(NamedTuple):
    """A changed function of a module. The name says which, on which line and how; `tree` is the whole module."""

    name: str
    module: str
    function: str
    tree: ast.Module


Place = tuple[tuple[str, int | None], ...]
"""The way from a module's tree to a node: fields, with an index where they are lists."""


def all_mutants(paths: Iterable[str], only: tuple[str, ...] = ()) -> list[Mutant]:
    """Those of several modules. Of several that are described alike the later ones get a number."""
    seen: Counter[str] = Counter()
    found = []
    for path in paths:
        for each in mutants(Path(path), only):
            seen[each.name] += 1
            again = f" ({seen[each.name]})" if seen[each.name] > 1 else ""
            found.append(each._replace(name=each.name + again))
    return found


def mutants(path: Path, only: tuple[str, ...] = ()) -> Iterator[Mutant]:
    """Each mutant of a module's functions, or of those named `only`. Docstrings and annotations are left alone."""
    tree = ast.parse(path.read_text())
    module = ".".join(path.with_suffix("").parts)
    for name, function, place in _functions(tree):
        if only and name not in only:
            continue
        for node, where in _nodes(function, place):
            for change, replace in _changes(node):
                mutated = copy.deepcopy(tree)
                replace(mutated, where)
                ast.fix_missing_locations(mutated)
                # Counted from the function's first line, so that what stands above may move.
                line = getattr(node, "lineno", function.lineno) - function.lineno
                yield Mutant(f"{path.stem}.{name}+{line}: {change}", module, name, mutated)


def unchanged(path: Path) -> Iterator[Mutant]:
    """Each function of a module as it is: what a mutant would be without its change."""
    tree = ast.parse(path.read_text())
    module = ".".join(path.with_suffix("").parts)
    yield from (Mutant("", module, name, tree) for name, _, _ in _functions(tree))


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef, Place]]:
    """Return the functions of a module and the methods of its classes, as `Class.method`."""
    pending: list[tuple[str, ast.AST, Place]] = [("", tree, ())]
    while pending:
        within, node, place = pending.pop(0)
        for child, step in _children(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield within + child.name, child, (*place, step)
            elif isinstance(child, ast.ClassDef):
                pending.append((f"{within}{child.name}.", child, (*place, step)))


def _nodes(function: ast.AST, place: Place) -> Iterator[tuple[ast.AST, Place]]:
    pending = [(function, place)]
    while pending:
        node, where = pending.pop(0)
        if node is not function:
            yield node, where
        for child, step in _children(node):
            if step[0] in ("annotation", "returns", "decorator_list", "type_comment") or _is_docstring(child):
                continue
            pending.append((child, (*where, step)))


def _children(node: ast.AST) -> Iterator[tuple[ast.AST, tuple[str, int | None]]]:
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.AST):
            yield value, (name, None)
        elif isinstance(value, list):
            yield from ((each, (name, index)) for index, each in enumerate(value) if isinstance(each, ast.AST))


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _at(tree: ast.AST, place: Place) -> Any:
    found: Any = tree
    for name, index in place:
        found = getattr(found, name)
        if index is not None:
            found = found[index]
    return found


def _put(tree: ast.AST, place: Place, value: ast.AST) -> None:
    parent, (name, index) = _at(tree, place[:-1]), place[-1]
    if index is None:
        setattr(parent, name, value)
    else:
        getattr(parent, name)[index] = value


def _changes(node: ast.AST) -> Iterator[tuple[str, Any]]:
    """Yield (what is changed, a function that changes it in a tree at a place)."""
    original = ast.unparse(node) if isinstance(node, ast.expr | ast.stmt) else ""
    for changed in _variants(node):
        text = ast.unparse(ast.fix_missing_locations(changed))
        if text != original:
            yield f"{_short(original)} -> {_short(text)}", lambda tree, place, new=changed: _put(tree, place, new)


def _variants(node: ast.AST) -> Iterator[Any]:
    match node:
        case ast.Compare():
            for index, operator in enumerate(node.ops):
                changed = copy.deepcopy(node)
                changed.ops[index] = _COMPARISONS[type(operator)]()
                yield changed
        case ast.BoolOp():
            yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.BinOp() if type(node.op) in _OPERATORS:
            yield ast.BinOp(node.left, _OPERATORS[type(node.op)](), node.right)
        case ast.IfExp():
            yield ast.IfExp(node.test, node.orelse, node.body)
        case ast.Constant():
            yield from _constants(node.value)
        case ast.Call(func=ast.Name(id=name)) if name in _CALLS:
            yield ast.Call(ast.Name(_CALLS[name], ast.Load()), node.args, node.keywords)
        case ast.If():
            yield ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
        case ast.Return() if node.value is not None and not _is_none(node.value):
            yield ast.Return(ast.Constant(None))
        case ast.Continue():
            yield ast.Break()


def _constants(value: object) -> Iterator[ast.Constant]:
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int | float):
        yield ast.Constant(value + 1)
    elif isinstance(value, str) and value and not _is_sentence(value):
        yield ast.Constant(f"{value}X")


def _is_sentence(value: str) -> bool:
    """Words for a person, or a part of them: how they read is no decision."""
    return " " in value and any(letter.isalpha() for letter in value)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 70 else f"{line[:67]}..."
