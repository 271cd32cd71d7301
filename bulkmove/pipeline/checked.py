"""The first records of a route as they were sent, held against the rows that the target shows of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from bulkmove.exact import decode_json
from bulkmove.ledger.canaries import SentBody
from bulkmove.load.matching import fields_that_differ, shows_any
from bulkmove.model import Json, JsonObject, State
from bulkmove.protocols import Target

# stands: as it was sent. gone: deleted, as it was to be. The last four let a canary fail.
Outcome = Literal["stands", "gone", "rejected", "differs", "missing", "unknown", "still-there"]
_GOOD: frozenset[Outcome] = frozenset({"stands", "gone"})
_FAILING: frozenset[Outcome] = frozenset({"differs", "missing", "unknown", "still-there"})
_MOST_NAMED = 3


class Field(NamedTuple):
    """One value that was sent, and what the row shows in its place. `unseen`: the target never shows it."""

    name: str
    sent: Json
    shows: Json
    verdict: Literal["equal", "different", "unseen"]


@dataclass(frozen=True, slots=True)
class CheckedRecord:
    """One body of a record. `message`: why it was rejected, or its fate is unknown."""

    source_id: str
    part: int
    target_id: str | None
    outcome: Outcome
    fields: tuple[Field, ...] = ()
    cause: str | None = None
    message: str | None = None

    @property
    def differing(self) -> tuple[str, ...]:
        return tuple(each.name for each in self.fields if each.verdict == "different")


@dataclass(frozen=True, slots=True)
class Checked:
    """A route's canary, looked at. `target`: the list that it was written to. `is_delete`: rows were taken away."""

    route: str
    target: str
    records: tuple[CheckedRecord, ...]
    is_delete: bool = False

    @property
    def is_good(self) -> bool:
        """Whether all that was written stands, and anything does."""
        outcomes = {record.outcome for record in self.records}
        return not outcomes & _FAILING and bool(outcomes & _GOOD)

    @property
    def unseen(self) -> tuple[str, ...]:
        """Fields that were sent and never come back."""
        names = (each.name for r in self.records for each in r.fields if each.verdict == "unseen")
        return tuple(sorted(set(names)))

    def __str__(self) -> str:
        """What stands, and what was refused; no values."""
        good = len(
            {r.source_id for r in self.records}
            - {r.source_id for r in self.records if r.outcome not in _GOOD}
        )
        records = "1 record" if good == 1 else f"{good:,} records"
        if self.is_delete:
            said = f"{records} {'is' if good == 1 else 'are'} gone from {self.target}"
        else:
            stand = "stands" if good == 1 else "stand"
            said = f"{records} {stand} on {self.target} as {'it was' if good == 1 else 'they were'} sent"
        causes = Counter(record.cause or "" for record in self.records if record.outcome == "rejected")
        refused = [f"{count:,} rejected ({cause})" for cause, count in causes.items()]
        return ", ".join([said, *refused])

    def failure(self) -> str:
        """Which records do not stand as they were sent, and in which fields; no values."""
        bad = [record for record in self.records if record.outcome in _FAILING]
        if not bad:
            causes = ", ".join(sorted({record.cause or "" for record in self.records}))
            return f"none of the first records of route {self.route} was written to {self.target}: rejected: {causes}"
        named = "; ".join(f"record {record.source_id}: {_said(record)}" for record in bad[:_MOST_NAMED])
        more = f"; and {len(bad) - _MOST_NAMED:,} more" if len(bad) > _MOST_NAMED else ""
        return (
            f"route {self.route}: {len(bad):,} of its first {len(self.records):,} records"
            f" {'is' if len(bad) == 1 else 'are'} not on {self.target} as {'it was' if len(bad) == 1 else 'they were'}"
            f" sent ({named}{more})"
        )


def _said(record: CheckedRecord) -> str:
    match record.outcome:
        case "differs":
            return f"{', '.join(record.differing)} differ{'s' if len(record.differing) == 1 else ''}"
        case "missing":
            return "no row shows it"
        case "still-there":
            return f"row {record.target_id} is still there"
        case _:
            return f"its fate is unknown ({record.cause})"


def checked_body(target: Target, body: SentBody, row: JsonObject | None, *, is_delete: bool) -> CheckedRecord:
    """`row`: what the target shows of it, None where it shows nothing."""
    at = (body.source_id, body.part, body.target_id)
    if body.state is State.REJECTED:
        return CheckedRecord(*at, "rejected", cause=body.cause, message=body.message)
    if body.state not in {State.WRITTEN, State.UNCHANGED}:
        return CheckedRecord(*at, "unknown", cause=body.cause, message=body.message)
    if is_delete:
        return CheckedRecord(*at, "gone" if row is None else "still-there")
    sent = decode_json(body.sent)
    if row is None or (target.comparable(sent) and not shows_any(target, sent, row)):
        return CheckedRecord(*at, "missing")
    fields = tuple(_fields(target, sent, row))
    is_equal = all(each.verdict != "different" for each in fields)
    return CheckedRecord(*at, "stands" if is_equal else "differs", fields)


def _fields(target: Target, sent: JsonObject, row: JsonObject) -> Iterator[Field]:
    written, shown = target.comparable(sent), target.comparable(row)
    differing = set(fields_that_differ(target, sent, row))
    for name in {**sent, **written}:
        if name not in written or name not in shown:
            if name in sent:
                yield Field(name, sent[name], None, "unseen")
            continue
        there = dict(_leaves(shown[name], name))
        lines = [
            Field(path, value, there.get(path), "different" if _differs(path, value, there) else "equal")
            for path, value in _leaves(written[name], name)
        ]
        if name not in differing:
            yield from (line._replace(verdict="equal") for line in lines)
        elif any(line.verdict == "different" for line in lines):
            yield from lines
        else:  # a list that is longer than what was sent
            yield Field(name, written[name], shown[name], "different")


def _differs(path: str, value: Json, there: dict[str, Json]) -> bool:
    return path not in there or there[path] != value


def _leaves(value: Json, path: str) -> Iterator[tuple[str, Json]]:
    if isinstance(value, dict) and value:
        for name, each in value.items():
            yield from _leaves(each, f"{path}.{name}")
    elif isinstance(value, list) and value:
        for place, each in enumerate(value):
            yield from _leaves(each, f"{path}[{place}]")
    else:
        yield path, value


def wave_said(wave: Sequence[Checked]) -> str:
    """What stands on each target, in one breath."""
    return " and ".join(str(checked) for checked in wave)
