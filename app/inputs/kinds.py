"""Type annotations taken apart: parts, text rule and maximum length."""

from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec

from app.inputs.rule import Rule

InputPath = tuple[str | int, ...]


class InputKind(NamedTuple):
    """A type without its annotations. `only` is its single type besides null and unset, if there is just one."""

    bare: Any
    only: Any
    nullable: bool
    rule: Rule | None
    most: int | None
    choices: tuple[Any, ...]


def kind_of(annotation: Any) -> InputKind:
    """Take an annotation apart."""
    bare: Any = annotation
    extras: tuple[Any, ...] = ()
    if get_origin(annotation) is Annotated:
        bare, *more = get_args(annotation)
        extras = tuple(more)
    rule = next((each for each in extras if isinstance(each, Rule)), None)
    most = next((each.max_length for each in extras if isinstance(each, msgspec.Meta) and each.max_length), None)
    parts = get_args(bare) if get_origin(bare) in (Union, UnionType) else (bare,)
    wanted = [each for each in parts if each not in (type(None), msgspec.UnsetType)]
    only = wanted[0] if len(wanted) == 1 else None
    return InputKind(bare, only, type(None) in parts, rule, most, get_args(only) if get_origin(only) is Literal else ())


def item_of(kind: Any) -> Any | None:
    """Return the item type of a list type; None for any other type."""
    return get_args(kind)[0] if get_origin(kind) is list else None


def is_struct(kind: Any) -> bool:
    """Return true for one of our own structs."""
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def dotted(path: InputPath) -> str:
    """Format a path like `address.city`."""
    return ".".join(map(str, path))


def pointer(path: InputPath) -> str:
    """Format a path as a JSON pointer like `/address/city` (RFC 6901)."""
    return "".join(f"/{str(each).replace('~', '~0').replace('/', '~1')}" for each in path)
