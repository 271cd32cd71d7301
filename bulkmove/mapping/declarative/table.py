"""A `[routes.X.fields]` table becomes a mapper: checked, compiled once, and known by its own content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from bulkmove.config.expressions import WHOLE, Expression, parse_expression, parse_template
from bulkmove.config.fields import NamedLookup, TargetField, named_lookups
from bulkmove.config.problems import Problems
from bulkmove.config.validation import validate_fields
from bulkmove.errors import ConfigError
from bulkmove.exact import canonical_json
from bulkmove.mapping.declarative import sources, steps
from bulkmove.mapping.declarative.closures import Evaluate, closure
from bulkmove.mapping.declarative.conversions import converted
from bulkmove.mapping.declarative.judging import holds
from bulkmove.mapping.declarative.objects import (
    NamedCompute,
    OnEmpty,
    items_of,
    object_of,
    objects_of,
    picked,
)
from bulkmove.mapping.declarative.refusals import SkippedError
from bulkmove.mapping.declarative.values import Compute, Uses
from bulkmove.mapping.reading import readings_of
from bulkmove.mapping.resolve import ResolvedMapper
from bulkmove.model import JsonObject
from bulkmove.protocols import MapContext, Mapper
from bulkmove.settings import LookupSettings


def compile_fields(
    fields: Mapping[str, Any],
    *,
    skip_when: str | None,
    lookups: Mapping[str, LookupSettings],
    route: str,
    file: Path,
) -> ResolvedMapper:
    """The mapper of a route's table. It is pure: it changes nothing, and gives the same for the same.

    It leaves out what is empty, skips a record for which `skip_when` holds, and raises RejectRecordError, named by
    the field, for one that does not fit. Raises ConfigError with file and key for a table that can't be compiled.
    """
    checked, condition = _checked(fields, skip_when, lookups, route=route, file=file)
    uses = Uses()
    skips = None if condition is None else _evaluate(condition, uses)
    build = _object(checked, uses)
    names = uses.record | uses.element
    return ResolvedMapper(
        name=f"routes.{route}.fields",
        function=_mapper(build, skips),
        is_async=False,
        file=None,
        digest=hashlib.sha256(canonical_json([fields, skip_when])).hexdigest(),
        fields_used=None if WHOLE in names else tuple(sorted(names)),
        lookups=tuple(sorted(uses.lookups)),
        readings=readings_of(checked, condition),
    )


def _mapper(build: Compute, skips: Evaluate | None) -> Mapper:
    def map_record(record: JsonObject, context: MapContext) -> JsonObject | None:
        try:
            if skips is not None and holds(skips(record, record)):
                return None
            body: JsonObject = build(record, record, context)
        except SkippedError:
            return None
        return body

    # Look-ups that ask a host call it again for the same record.
    cast("Any", map_record).is_pure = True
    return map_record


def _checked(
    fields: Mapping[str, Any],
    skip_when: str | None,
    lookups: Mapping[str, LookupSettings],
    *,
    route: str,
    file: Path,
) -> tuple[dict[str, str | TargetField], str | None]:
    """Settings may be made by hand, past what a file is checked for. Raises ConfigError."""
    at = ("routes", route, "fields")
    problems = Problems({"routes": {route: {"fields": fields, "skip_when": skip_when}}})
    checked = validate_fields(fields, problems, at=at)
    if skip_when is not None:
        try:
            parse_expression(skip_when)
        except ValueError as error:
            problems.add_bad_value(("routes", route, "skip_when"), str(error))
    for named in named_lookups(fields, at=at):
        _check_lookup(named, lookups, problems)
    problems.raise_any(file)
    if checked is None:  # never: whatever does not fit is a problem
        raise ConfigError(f"{file}: routes.{route}.fields: does not fit the schema")
    return checked, skip_when


def _check_lookup(named: NamedLookup, lookups: Mapping[str, LookupSettings], problems: Problems) -> None:
    settings = lookups.get(named.name)
    if settings is None:
        known = f"one of {', '.join(lookups)}" if lookups else f"a table [lookups.{named.name}] of this file"
        problems.add_bad_value(named.key, f"must name a look-up: {known}", known=lookups)
    elif settings.within is not None and not named.has_within:
        problems.add(
            named.key, f"needs a `within` beside it: {named.name} is searched within a {settings.within}"
        )
    elif settings.within is None and named.has_within:
        problems.add(named.key, f"takes no `within`: lookups.{named.name} does not name one")


def _object(fields: Mapping[str, str | TargetField], uses: Uses) -> Compute:
    return object_of([_named(name, spec, uses) for name, spec in fields.items()])


def _named(name: str, spec: str | TargetField, uses: Uses) -> NamedCompute:
    return NamedCompute(name, _field(spec, uses), _on_empty(spec))


def _on_empty(spec: str | TargetField) -> OnEmpty | None:
    if isinstance(spec, str):
        return None
    if spec.required:
        return "skip" if spec.required == "skip" else "reject"
    return "null" if spec.null else None


def _field(spec: str | TargetField, uses: Uses) -> Compute:
    """The steps in their fixed order, each around the one before it."""
    if isinstance(spec, str):
        return sources.at_path(_expression(spec, uses))
    otherwise = spec.otherwise if "otherwise" in spec.steps else steps.NO_OTHERWISE
    compute = _source(spec, uses)
    if spec.table is not None:
        compute = steps.by_table(compute, spec.table, otherwise)
    if spec.when is not None:
        compute = steps.by_condition(compute, _evaluate(spec.when, uses), otherwise)
    if spec.lookup is not None:
        uses.lookups.add(spec.lookup)
        within = None if spec.within is None else _field(spec.within, uses)
        compute = steps.by_lookup(compute, spec.lookup, within)
    if "default" in spec.steps:
        compute = steps.by_default(compute, spec.default)
    return converted(compute, spec)


def _source(spec: TargetField, uses: Uses) -> Compute:
    match spec.source, spec:
        case "path", TargetField(path=str(path)):
            return sources.at_path(_expression(path, uses))
        case "first", TargetField(first=list(choices)):
            has_stead = "default" in spec.steps or {"table", "otherwise"} <= spec.steps
            return sources.first_of([_field(choice, uses) for choice in choices], may_be_empty=has_stead)
        case "template", TargetField(template=str(text)):
            pieces = parse_template(text)
            for piece in pieces:
                if not isinstance(piece, str):
                    _note(piece, uses)
            return sources.from_template(pieces)
        case "pick", TargetField(pick=list(names)):
            uses.element.update(names)
            return picked(names)
        case "each", _:
            return _list(spec, uses)
        case "fields", TargetField(fields=dict(fields)):
            return _object(fields, uses)
    return sources.constant(spec.value)


def _list(spec: TargetField, uses: Uses) -> Compute:
    """What is the same for every element, because it only reads the record, is made once a record."""
    elements = _evaluate(spec.each or WHOLE, uses)
    inner = Uses()
    where = None if spec.where is None else _evaluate(spec.where, inner)
    if spec.item is not None:
        compute = items_of(
            elements, where=where, item=_field(spec.item, inner), on_empty=_on_empty(spec.item)
        )
    else:
        own: list[NamedCompute] = []
        common: list[NamedCompute] = []
        for name, field in (spec.fields or {}).items():
            used = Uses()
            named = _named(name, field, used)
            (own if used.element else common).append(named)
            inner.add(used)
        compute = objects_of(
            elements, where=where, own=object_of(own), common=object_of(common) if common else None
        )
    uses.record |= inner.record
    uses.lookups |= inner.lookups
    return compute


def _evaluate(text: str, uses: Uses) -> Evaluate:
    return closure(_expression(text, uses))


def _expression(text: str, uses: Uses) -> Expression:
    expression = parse_expression(text)
    _note(expression, uses)
    return expression


def _note(expression: Expression, uses: Uses) -> None:
    uses.element |= expression.starts
    uses.record |= expression.records
