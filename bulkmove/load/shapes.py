"""The TypedDicts that say what a body may hold: closed for the check of names, and asked what stands at a path."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Sequence
from functools import cache
from typing import (
    Annotated,
    Any,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import msgspec
from msgspec import inspect

# A name, or (without one) a place in a list.
_STEP = re.compile(r"\.([^.\[\]]+)|\[(?:\d*|\.\.\.)\]")


@cache
def closed(shape: type) -> type:
    """The same shape, whose nested objects refuse names that they do not document; itself, it lets them through.

    An object stays open that is annotated with `Meta(extra_json_schema={"additionalProperties": True})`.
    """
    return _struct(shape, is_closed=False)


def _struct(shape: type, *, is_closed: bool) -> type:
    """Decoding drops what a TypedDict does not name; of a struct it can be refused, at the same price."""
    info = inspect.type_info(shape)
    required = (
        {each.name for each in info.fields if each.required}
        if isinstance(info, inspect.TypedDictType)
        else ()
    )
    hints = get_type_hints(shape, include_extras=True)
    fields: list[tuple[str, Any, Any]] = []
    for place, (name, hint) in enumerate(hints.items()):
        default = msgspec.NODEFAULT if name in required else None
        # Names need not be Python's; what they are called inside does not matter.
        fields.append((f"f{place}", _closed_type(hint), msgspec.field(name=name, default=default)))
    fields.sort(key=lambda each: each[2].default is not msgspec.NODEFAULT)
    return msgspec.defstruct(shape.__name__, fields, forbid_unknown_fields=is_closed)


def _closed_type(hint: Any) -> Any:
    if is_typeddict(hint):
        return _struct(hint, is_closed=True)
    origin, args = get_origin(hint), get_args(hint)
    if origin in {Required, NotRequired}:
        return _closed_type(args[0])
    if origin is Annotated:
        inner = args[0]
        if is_typeddict(inner) and any(_is_open(meta) for meta in args[1:]):
            return Annotated[_struct(inner, is_closed=False), *args[1:]]
        return Annotated[_closed_type(inner), *args[1:]]
    if origin in {Union, types.UnionType}:
        return Union[tuple(_closed_type(each) for each in args)]  # noqa: UP007  made of a tuple
    if origin in {list, dict, tuple, Sequence} and args:
        made: Any = list if origin is Sequence else origin
        return made[tuple(each if each is ... else _closed_type(each) for each in args)]
    return hint


def _is_open(meta: Any) -> bool:
    extra = getattr(meta, "extra_json_schema", None) or {}
    return bool(extra.get("additionalProperties"))


def fields_at(shape: type, path: str) -> list[str]:
    """The fields of the object at a path, as `order_items[0]` or `order_items[]`; empty where it is open, or none."""
    return [field.name for each in _at(inspect.type_info(shape), _names(path)) for field in _fields_of(each)]


def required_at(shape: type, path: str) -> list[str]:
    found = (each for each in _at(inspect.type_info(shape), _names(path)))
    return [field.name for each in found for field in _fields_of(each) if field.required]


def choices_at(shape: type, path: str) -> list[object]:
    """The values that may stand at a path, where only some may."""
    found = _at(inspect.type_info(shape), _names(path))
    return [value for each in found if isinstance(each, inspect.LiteralType) for value in each.values]


def type_at(shape: type, path: str) -> Any:
    """What may stand at a path, as a type that msgspec converts to; None where anything may."""
    found: Any = _struct(shape, is_closed=False)
    for name in _names(path):
        found = _step_into(found, name)
        if found is None:
            return None
    return found


def _step_into(found: Any, name: str | None) -> Any:
    """What stands under this name of an object, or (None) in a list."""
    options = get_args(found) if get_origin(found) in {Union, types.UnionType} else (found,)
    for each in options:
        bare = get_args(each)[0] if get_origin(each) is Annotated else each
        if name and isinstance(bare, type) and issubclass(bare, msgspec.Struct):
            for field in msgspec.structs.fields(bare):
                if field.encode_name == name:
                    return field.type
        elif not name and get_origin(bare) is list:
            return get_args(bare)[0]
    return None


def _fields_of(found: inspect.Type) -> Sequence[inspect.Field]:
    return found.fields if isinstance(found, inspect.TypedDictType) else ()


def _names(path: str) -> Sequence[str | None]:
    return [step[1] for step in _STEP.finditer(f".{path}" if path else "")]


def _at(found: inspect.Type, names: Sequence[str | None]) -> Iterator[inspect.Type]:
    """The types that a path leads to, unions taken apart; nothing for an object that is open."""
    if isinstance(found, inspect.Metadata):
        is_open = bool((found.extra_json_schema or {}).get("additionalProperties"))
        if names or not is_open:
            yield from _at(found.type, names)
    elif isinstance(found, inspect.UnionType):
        for each in found.types:
            yield from _at(each, names)
    elif not names:
        yield found
    elif isinstance(found, inspect.TypedDictType):
        for field in found.fields:
            if field.name == names[0]:
                yield from _at(field.type, names[1:])
    elif isinstance(found, inspect.ListType):
        yield from _at(found.item_type, names[1:])
