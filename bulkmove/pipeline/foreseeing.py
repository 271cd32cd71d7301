"""What can be told of a mapping without code before any record is read: what can't be right, and what is doubtful."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches

import msgspec
import orjson

from bulkmove.config.expressions import WHOLE
from bulkmove.errors import ConfigError
from bulkmove.load import shapes
from bulkmove.load.checking import nearest, refusal
from bulkmove.mapping.reading import Reading
from bulkmove.mapping.resolve import ResolvedMapper
from bulkmove.protocols import Connector, StreamSpec
from bulkmove.settings import RouteSettings


def foresee(
    where: str,
    route: RouteSettings,
    mapper: ResolvedMapper,
    *,
    source: StreamSpec,
    target: StreamSpec,
    hosts: Iterable[Connector],
) -> tuple[str, ...]:
    """Doubts, a sentence each; none of a mapper that is code. `hosts`: those that may read the route's options.

    Raises ConfigError, a line each, for fields that the target does not document, constants that it does not take, and
    required fields that are not made: they would reject every record.
    """
    if route.fields is None:
        return ()
    at = f"routes.{route.name}"
    doubts = [
        *_unknown_names(f"{at}.fields", source, mapper.readings),
        *_unread_options(at, route, mapper, hosts),
    ]
    if route.mode == "delete":
        return tuple(doubts)
    mistakes = [*_unknown_fields(route, target, mapper.readings)]
    if route.check_bodies:
        mistakes += _bad_constants(route, target, mapper.readings)
        missing = list(_never_made(route, target, mapper.readings))
        # Of an upsert all rows may be there already.
        (doubts if route.mode == "upsert" else mistakes).extend(
            f"{at}.fields.{each}" if route.mode == "upsert" else f"fields.{each}" for each in missing
        )
    if mistakes:
        raise ConfigError("\n".join(f"{where}.{each}" for each in mistakes))
    return tuple(doubts)


def _unknown_names(at: str, source: StreamSpec, readings: Sequence[Reading]) -> Iterator[str]:
    documented = source.documented_fields
    lists = {name.partition("[].")[0] for name in documented if "[]." in name}
    told: set[str] = set()
    for reading in readings if documented else ():
        for name in sorted(reading.names - told):
            outer, is_inner, last = name.partition("[].")
            if name in documented or WHOLE in {outer, last} or (is_inner and outer not in lists):
                continue
            told.add(name)
            field = f"{at}.{reading.target}" if reading.name else at.replace(".fields", ".skip_when")
            yield f"{field}: reads {name}, which is no documented field of {source.name}{_meant(name, documented, reading)}"


def _meant(name: str, documented: Sequence[str], reading: Reading) -> str:
    bare = name.rpartition(".")[2]
    if any(f'"{bare}"' in text for text in reading.texts):
        return f"; a text is written in single quotes: '{bare}'"
    close = get_close_matches(name, documented, n=1)
    return f"; did you mean {close[0].rpartition('.')[2]!r}?" if close else ""


def _unread_options(
    at: str, route: RouteSettings, mapper: ResolvedMapper, hosts: Iterable[Connector]
) -> Iterator[str]:
    known = {name for host in hosts for name in host.options} | set(mapper.lookups or ())
    for name in route.options:
        if name not in known:
            yield f"{at}.options.{name}: nothing reads it: `fields` have no options"


def _shapes_of(route: RouteSettings, target: StreamSpec) -> list[type]:
    """What a body of this route may be held against."""
    found = {"create": (target.create_body,), "update": (target.update_body,)}
    return [
        each for each in found.get(route.mode, (target.create_body, target.update_body)) if each is not None
    ]


def _unknown_fields(route: RouteSettings, target: StreamSpec, readings: Sequence[Reading]) -> Iterator[str]:
    for reading in readings:
        if not reading.name:
            continue
        if not reading.parent:
            known = sorted(target.writable_fields)
        else:
            found = [shapes.fields_at(shape, reading.parent) for shape in _shapes_of(route, target)]
            is_closed = route.check_bodies and bool(found) and all(found)
            known = sorted({name for names in found for name in names}) if is_closed else []
        if known and reading.name not in {*known, *([] if reading.parent else [target.id_field])}:
            yield f"fields.{reading.target}: {route.target} documents no such field{nearest(reading.name, known)}"


def _bad_constants(route: RouteSettings, target: StreamSpec, readings: Sequence[Reading]) -> Iterator[str]:
    for reading in readings:
        for value in reading.constants:
            said = [_refused(shape, reading.target, value) for shape in _shapes_of(route, target)]
            if said and all(said):
                yield f"fields.{said[0]}"


def _refused(shape: type, path: str, value: object) -> str | None:
    """Why a shape refuses a value at a path; None where it takes it, or says nothing of it."""
    wanted = shapes.type_at(shape, path)
    if wanted is None:
        return None
    try:
        msgspec.json.decode(orjson.dumps(value), type=wanted)
    except msgspec.ValidationError as error:
        return str(refusal(str(error), shape, at=path))
    return None


def _never_made(route: RouteSettings, target: StreamSpec, readings: Sequence[Reading]) -> Iterator[str]:
    shape = target.update_body if route.mode == "update" else target.create_body
    if shape is None:
        return
    made: dict[str, set[str]] = {"": set()}
    for reading in readings:
        made.setdefault(reading.parent, set()).add(reading.name)
    for parent, names in made.items():
        for name in shapes.required_at(shape, parent):
            if name not in names and name != target.id_field:
                path = f"{parent}.{name}" if parent else name
                whose = "each change" if route.mode == "update" else "a new row"
                yield f"{path}: {route.target} needs it in {whose}, and nothing makes it"
