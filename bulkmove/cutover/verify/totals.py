"""What a business adds up: orders, lines, quantities, amounts, and how many there are of each status. Exact, in Decimal."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from bulkmove.model import JsonObject

# The words, in a field's name, of what can be added up, and of what is one of a few values. Numbers of other fields
# are ids, codes and phones as a rule, of which no sum says anything.
_AMOUNTS = frozenset({
    "amount", "amounts", "price", "prices", "total", "totals", "subtotal", "sum", "quantity", "quantities", "qty", "cost",
    "fee", "tax", "vat", "discount", "paid", "weight", "count", "gross", "net",
})  # fmt: skip
_KINDS = frozenset({"status", "substatus", "currency", "shop", "handler"})
_STATUS = frozenset({"status", "substatus"})
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_NUMBER = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?")
_LONGEST_KIND = 40
RECORDS = "records"
# Different values of one field; more are no kinds.
MOST_KINDS = 50
_MOST_LINES = 1000
# As many digits as any sum of these takes: nothing is rounded.
_EXACT = Context(prec=200)


class Part(NamedTuple):
    """What one body or row adds to one total. `tops`: the top fields that it comes from."""

    tops: tuple[str, ...]
    name: str
    amount: Decimal


def parts_of(fields: JsonObject) -> list[Part]:
    """What a body or a row, in the form that compares, adds to the totals."""
    found: list[Part] = []
    for top, value in fields.items():
        _walk(str(top), value, found, top=str(top))
    _by_status(fields, "", found, top=None)
    return found


def _walk(path: str, value: Any, found: list[Part], *, top: str) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            _walk(f"{path}.{name}", inner, found, top=top)
        _by_status(value, f"{path}.", found, top=top)
    elif isinstance(value, list):
        if any(isinstance(each, dict) for each in value):
            found.append(Part((top,), f"{path}: lines", Decimal(len(value))))
            for each in value[:_MOST_LINES]:
                _walk(f"{path}[]", each, found, top=top)
    else:
        word = _word(path.rpartition(".")[2])
        if word in _AMOUNTS and (number := _number(value)) is not None:
            found.append(Part((top,), path, number))
        elif word in _KINDS and (kind := _kind(value)) is not None:
            found.append(Part((top,), f"{path} = {kind}", Decimal(1)))


def _by_status(values: Mapping[Any, Any], path: str, found: list[Part], *, top: str | None) -> None:
    """Amounts by the statuses that stand beside them."""
    statuses = [
        (str(name), kind)
        for name, value in values.items()
        if _word(str(name)) in _STATUS and (kind := _kind(value)) is not None
    ]
    for name, value in values.items() if statuses else ():
        if _word(str(name)) not in _AMOUNTS or (number := _number(value)) is None:
            continue
        for status, kind in statuses:
            tops = (top,) if top is not None else (str(name), status)
            found.append(Part(tops, f"{path}{name} where {path}{status} = {kind}", number))


@lru_cache(maxsize=10_000)
def _word(name: str) -> str:
    """The last word of a field's own name, which tells its kind: `payment_status_text` is a text."""
    words: list[str] = _WORDS.findall(name)
    return words[-1].lower() if words else ""


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    text = repr(value) if isinstance(value, float) else str(value)
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def _kind(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value)
    return text if text and len(text) <= _LONGEST_KIND and text.isprintable() else None


class Total(NamedTuple):
    """One line of the table: the sum over the mapped bodies, and the sum over the target's rows."""

    name: str
    source: Decimal
    target: Decimal

    @property
    def is_equal(self) -> bool:
        return self.source == self.target

    def as_dict(self) -> dict[str, object]:
        return {
            "name": self.name,
            "source": plain(self.source),
            "target": plain(self.target),
            "difference": plain(_EXACT.subtract(self.target, self.source)),
            "is_equal": self.is_equal,
        }


def plain(number: Decimal) -> str:
    """Without an exponent, and without zeros that say nothing."""
    text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


@dataclass(slots=True)
class Sums:
    """The totals of one route as they grow. `changed`: the names whose sums are to be kept anew.

    `unseen`: top fields of bodies that rows did not show, and how often; `compared`: those that they did.
    """

    sums: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    kinds: dict[str, set[str]] = field(default_factory=dict)
    unseen: dict[str, int] = field(default_factory=dict)
    compared: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)

    def note_shown(self, wanted: Iterable[str], there: Collection[str]) -> None:
        for name in wanted:
            if name in there:
                self.compared.add(name)
            else:
                self.unseen[name] = self.unseen.get(name, 0) + 1

    def add(self, parts: Iterable[Part], *, is_target: bool, among: Collection[str] | None = None) -> None:
        """`among`: parts of these top fields alone."""
        for tops, name, amount in parts:
            if among is not None and not all(top in among for top in tops):
                continue
            if not self._takes(name):
                continue
            source, target = self.sums.get(name, (Decimal(0), Decimal(0)))
            if is_target:
                target = _EXACT.add(target, amount)
            else:
                source = _EXACT.add(source, amount)
            self.sums[name] = (source, target)
            self.changed.add(name)

    def _takes(self, name: str) -> bool:
        """Whether the field has few enough different values; one of too many is dropped when all is told."""
        what, sign, kind = name.rpartition(" = ")
        if not sign or name in self.sums:
            return True
        known = self.kinds.setdefault(what, set())
        if len(known) > MOST_KINDS:
            return False
        known.add(kind)
        return True

    @property
    def never_shown(self) -> list[str]:
        """Fields of bodies that no row shows."""
        return sorted(self.unseen.keys() - self.compared)

    def totals(self) -> Iterator[Total]:
        too_many = {what for what, known in self.kinds.items() if len(known) > MOST_KINDS}
        never = tuple(self.never_shown)
        for name in sorted(self.sums, key=lambda name: (name != RECORDS, name)):
            top = re.split(r"[.\[:= ]", name, maxsplit=1)[0]
            if name.rpartition(" = ")[0] not in too_many and top not in never:
                yield Total(name, *self.sums[name])
