"""What a mapping without code makes each field of: the source's names that it reads, and the constants that it holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bulkmove.config.expressions import WHOLE, Expression, parse_expression, parse_template
from bulkmove.config.fields import TargetField


class Reading(NamedTuple):
    """One field of the target, `name` in the object `parent`, as `order_items[].product` and `order_items[]`.

    `parent` is "" for the body itself; the condition `skip_when` has no `name`. `texts` are its expressions as they
    are written, `names` what they read: `shipping_city`, and of the elements of a list `line_items[].product_sku`;
    `@` stands for a value as a whole. `constants` are values that become the field's as they are. `is_made`: an object
    or a list, whose fields have readings of their own.
    """

    parent: str
    name: str
    texts: tuple[str, ...]
    names: frozenset[str]
    constants: tuple[Any, ...] = ()
    is_made: bool = False

    @property
    def target(self) -> str:
        return f"{self.parent}.{self.name}" if self.parent else self.name


@dataclass(slots=True)
class _Gathered:
    texts: dict[str, None] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)

    def add(self, expression: Expression, scope: str | None) -> None:
        self.texts[expression.text] = None
        self.names |= expression.records
        if scope is not None:
            self.names |= {f"{scope}{name}" for name in expression.starts}


def readings_of(fields: Mapping[str, str | TargetField], skip_when: str | None) -> tuple[Reading, ...]:
    """All fields of a table, those of nested objects and lists after their own."""
    found = list(_of_object(fields, parent="", scope=""))
    if skip_when is not None:
        condition = _Gathered()
        condition.add(parse_expression(skip_when), "")
        found.append(Reading("", "", tuple(condition.texts), frozenset(condition.names)))
    return tuple(found)


def _of_object(
    fields: Mapping[str, str | TargetField], *, parent: str, scope: str | None
) -> Iterator[Reading]:
    """`scope` stands before the names that an expression starts at; None where that is not known."""
    for name, spec in fields.items():
        gathered = _Gathered()
        if isinstance(spec, str) or spec.source not in {"fields", "each", "pick"}:
            _gather(spec, scope, gathered)
            constants = () if isinstance(spec, str) else tuple(_constants(spec))
            yield Reading(parent, name, tuple(gathered.texts), frozenset(gathered.names), constants)
            continue
        yield from _of_made(spec, name, parent=parent, scope=scope)


def _of_made(spec: TargetField, name: str, *, parent: str, scope: str | None) -> Iterator[Reading]:
    target = f"{parent}.{name}" if parent else name
    own = _Gathered()
    for text in (spec.each, spec.when):
        if text is not None:
            own.add(parse_expression(text), scope)
    inner = scope
    if spec.each is not None:
        target, inner = f"{target}[]", scope_within(spec.each, scope)
        if spec.where is not None:
            own.add(parse_expression(spec.where), inner)
    if spec.item is not None:
        _gather(spec.item, inner, own)
    yield Reading(parent, name, tuple(own.texts), frozenset(own.names), is_made=spec.item is None)
    for picked in spec.pick or ():
        names = frozenset() if inner is None else frozenset({f"{inner}{picked}"})
        yield Reading(target, picked, (picked,), names)
    yield from _of_object(spec.fields or {}, parent=target, scope=inner)


def scope_within(each: str, scope: str | None) -> str | None:
    """What stands before the names of a list's elements, where the list is a field of the record."""
    tree = parse_expression(each).tree
    return f"{tree['value']}[]." if scope == "" and tree["type"] == "field" else None


def _gather(spec: str | TargetField, scope: str | None, into: _Gathered) -> None:
    """All that a value is made of, however deep."""
    if isinstance(spec, str):
        into.add(parse_expression(spec), scope)
        return
    inner = scope if spec.each is None else scope_within(spec.each, scope)
    for text, at in ((spec.path, scope), (spec.each, scope), (spec.when, scope), (spec.where, inner)):
        if text is not None:
            into.add(parse_expression(text), at)
    for piece in parse_template(spec.template) if spec.template is not None else ():
        if isinstance(piece, Expression):
            into.add(piece, scope)
    if scope is not None:
        into.names |= {f"{scope}{name}" for name in spec.pick or ()}
    for choice in (*(spec.first or ()), *([spec.within] if spec.within is not None else ())):
        _gather(choice, scope, into)
    for each in (*(spec.fields or {}).values(), *([spec.item] if spec.item is not None else ())):
        _gather(each, inner, into)


def _constants(spec: str | TargetField) -> Iterator[Any]:
    """Values of the table that become the field's without a step between."""
    if isinstance(spec, str) or spec.as_ is not None:
        return
    if "default" in spec.steps:
        yield spec.default
    if spec.lookup is not None:
        return
    if "otherwise" in spec.steps:
        yield spec.otherwise
    if spec.table is not None:
        yield from spec.table.values()
    elif spec.source == "value":
        yield spec.value
    elif spec.source == "first":
        for choice in spec.first or ():
            yield from _constants(choice)


def unread(documented: tuple[str, ...], readings: tuple[Reading, ...]) -> tuple[str, ...]:
    """The documented fields of the source that nothing reads; a list's element is read with what reads the list whole."""
    read = {name for reading in readings for name in reading.names}
    if WHOLE in read:
        return ()
    whole = {name for reading in readings if not reading.is_made for name in reading.names}
    return tuple(name for name in documented if name not in read and not _is_within(name, read, whole))


def _is_within(name: str, read: set[str], whole: set[str]) -> bool:
    outer, is_inner, _ = name.partition("[].")
    return bool(is_inner) and (outer in whole or f"{outer}[].{WHOLE}" in read)
