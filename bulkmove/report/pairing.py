"""A mapped body beside its source record: which source field each of its values came from, as far as values tell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Literal, NamedTuple

from rapidfuzz import fuzz

from bulkmove.mapping.reading import Reading
from bulkmove.model import Json, JsonObject

# same: the very value. form: it too, as another type or in other letters. changed: the field stands at the source with
# another value. read: made of this field, as the mapping says. made: by the mapper. left: not carried.
Kind = Literal["same", "form", "changed", "read", "made", "left"]

# Values that stand in many fields (0, 1, "", true) say nothing of where they came from: there the name has to agree.
_SHORTEST_TELLING = 3
_LEAST_LIKENESS = 75.0
_PLACES = re.compile(r"\[(\d+)\]")
_LONGEST_NUMBER = 40


class Leaf(NamedTuple):
    """One value of a record, by its path: `line_items[0].quantity`."""

    path: str
    value: Json

    @property
    def name(self) -> str:
        return _PLACES.sub("", self.path).rpartition(".")[2]


class Pair(NamedTuple):
    kind: Kind
    source: Leaf | None
    mapped: Leaf | None


def leaves(value: Json, path: str = "") -> Iterator[Leaf]:
    """The values of a record in order; what is empty is one too."""
    if isinstance(value, dict) and value:
        for name, each in value.items():
            yield from leaves(each, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and value:
        for place, each in enumerate(value):
            yield from leaves(each, f"{path}[{place}]")
    else:
        yield Leaf(path, value)


def pairs(
    source: JsonObject, bodies: Sequence[JsonObject], readings: Sequence[Reading] = ()
) -> tuple[list[list[Pair]], list[Pair]]:
    """For each body its values with their origin, in the body's order; then the source's values that none carries.

    `readings`: what a mapping without code says of the origins, where the values themselves do not tell.
    """
    by_form: dict[object, list[Leaf]] = {}
    by_path = {leaf.path: leaf for leaf in leaves(source)}
    names = {reading.target: _likeliest(reading) for reading in readings}
    for leaf in by_path.values():
        by_form.setdefault(_form(leaf.value), []).append(leaf)
    found = [
        [
            _read(_pair(leaf, by_form.get(_form(leaf.value), ()), by_path.get(leaf.path)), names, by_path)
            for leaf in leaves(body)
        ]
        for body in bodies
    ]
    used = {pair.source.path for each in found for pair in each if pair.source is not None}
    read = {name for reading in readings for name in reading.names if not reading.is_made}
    left = (leaf for path, leaf in by_path.items() if path not in used and not _names_of(path) & read)
    return found, [Pair("left", leaf, None) for leaf in left]


def _read(pair: Pair, names: Mapping[str, Sequence[str]], by_path: Mapping[str, Leaf]) -> Pair:
    """What the values do not tell, the mapping may: an id that was looked up for a name."""
    if pair.kind != "made" or pair.mapped is None:
        return pair
    place = next(iter(_places(pair.mapped)), "0")
    for name in names.get(_PLACES.sub("[]", pair.mapped.path), ()):
        leaf = by_path.get(name.replace("[]", f"[{place}]"))
        if leaf is not None and leaf.value not in (None, "", [], {}):
            return Pair("read", leaf, pair.mapped)
    return pair


def _likeliest(reading: Reading) -> Sequence[str]:
    """The names of a reading: first those that stand there by themselves, in their order, then those of conditions."""
    alone = [text.removeprefix("root.").split(".")[0] for text in reading.texts]
    last = len(alone)
    places = {
        name: alone.index(bare) for name in reading.names if (bare := name.rpartition("[].")[2]) in alone
    }
    return sorted(reading.names, key=lambda name: (places.get(name, last), name))


def _names_of(path: str) -> set[str]:
    """The names of readings that cover a leaf: of its field, and of the element of a list that it stands in."""
    root, _, rest = _PLACES.sub("[]", path).partition("[].")
    inner = {f"{root}[].{rest.split('.')[0].split('[')[0]}", f"{root}[].@"} if rest else set()
    return {root.split(".")[0].split("[")[0], *inner}


def _pair(mapped: Leaf, equal: Sequence[Leaf], namesake: Leaf | None) -> Pair:
    """`equal`: the source's values that are equal; `namesake`: the one that stands at the same path there."""
    likely = [leaf for leaf in equal if _likeness(leaf, mapped) >= _LEAST_LIKENESS]
    if not likely and namesake is not None:
        return Pair("changed", namesake, mapped)
    if not likely and _is_telling(mapped.value):
        likely = list(equal)
    if not likely:
        return Pair("made", None, mapped)
    source = max(likely, key=lambda leaf: _nearness(leaf, mapped))
    return Pair("same" if _is_same(source, mapped) else "form", source, mapped)


def _nearness(source: Leaf, mapped: Leaf) -> tuple[bool, bool, float]:
    return _is_same(source, mapped), _places(source) == _places(mapped), _likeness(source, mapped)


def _form(value: Json) -> object:
    """What values have in common that are one value in other forms: numbers and their text, letters large and small."""
    if isinstance(value, bool) or value is None or isinstance(value, dict | list):
        return repr(value)
    text = str(value)
    try:
        number = Decimal(text.strip()) if len(text) <= _LONGEST_NUMBER else None
    except InvalidOperation:
        number = None
    if number is not None and number.is_finite():
        return number.normalize()
    return " ".join(text.split()).casefold()


def _is_same(one: Leaf, other: Leaf) -> bool:
    return type(one.value) is type(other.value) and bool(one.value == other.value)


def _is_telling(value: Json) -> bool:
    return (
        isinstance(value, str | int | float | Decimal)
        and len(str(value)) >= _SHORTEST_TELLING
        and not isinstance(value, bool)
    )


def _likeness(one: Leaf, other: Leaf) -> float:
    return float(fuzz.ratio(one.name, other.name))


def _places(leaf: Leaf) -> list[str]:
    return _PLACES.findall(leaf.path)
