"""Bodies as the source's records are mapped now, held against the target's rows and what the ledger says of them."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import anyio

from bulkmove.cutover.verify import kept
from bulkmove.cutover.verify.kept import Outcome, Row
from bulkmove.cutover.verify.marks import Marks, differing, marks_of, value_of
from bulkmove.cutover.verify.totals import RECORDS, Part, Sums, parts_of
from bulkmove.cutover.verify.working import Working
from bulkmove.entries import Entry
from bulkmove.exact import decode_json
from bulkmove.ledger.delta_passes import DELETED, PART_LEFT, ROW_LEFT
from bulkmove.ledger.verifying import Claim, Known
from bulkmove.load.matching import Body
from bulkmove.model import JsonObject, State
from bulkmove.pipeline.job import RouteJob
from bulkmove.protocols import Target

AT_TARGET = (State.UNCHANGED, State.WRITTEN)
_OPEN = (State.SEEN, State.PENDING)
_LEFT = (PART_LEFT, ROW_LEFT)
ONE = Part((), RECORDS, Decimal(1))
# Fields of one record that are named; more are counted.
_MOST_NAMED = 50


@dataclass(slots=True)
class Comparison:
    """One route while it is compared.

    `number` and `list_number`: the route and its target's list in the ledger; `list_id`: that list's rows in the working
    file. `has_keys`: the ledger knows what the list held before the first write. `by_key`: rows have no ids that
    last, so that one is looked for by its natural key first. `plain`: values of what differs are kept. `tally`: bodies
    that were compared, by outcome.
    """

    job: RouteJob
    working: Working
    number: int
    list_number: int
    list_id: int
    has_keys: bool
    plain: bool
    sums: Sums
    by_key: bool = False
    tally: Counter[str] = field(default_factory=Counter)
    turn: anyio.Lock = field(default_factory=anyio.Lock)


@dataclass(frozen=True, slots=True)
class Page:
    """What one page is compared with; all that there is to ask was asked before.

    `others`: what the mapping skips or rejects now. `known`: by source id, of all records of the page that the ledger
    knows. `claims`: by natural key. `changed`: the records that their source changed since they were moved.
    """

    ids: Sequence[str]
    bodies: Sequence[Body]
    others: Sequence[Entry]
    known: Mapping[str, Sequence[Known]]
    claims: Mapping[str, Claim]
    changed: frozenset[str]


def form_of(target: Target, fields: JsonObject) -> JsonObject:
    """The fields that compare; none where a host nests them so deeply that no body could equal them."""
    try:
        return target.comparable(fields)
    except RecursionError:
        return {}


def compare_page(connection: sqlite3.Connection, comparison: Comparison, page: Page) -> None:
    """Note what became of each body of the page, and add it to the totals."""
    judge = _Judge(connection, comparison, page)
    for body in page.bodies:
        judge.body(body)
    for entry in page.others:
        judge.refused(entry)
    for source_id in page.ids:
        judge.rest(source_id)
    kept.add_outcomes(connection, comparison.job.name, judge.outcomes.values())
    kept.use_rows(connection, comparison.list_id, judge.used)
    kept.save_sums(connection, comparison.job.name, comparison.sums)
    comparison.tally.update(each.outcome for each in judge.outcomes.values())


class _Judge:
    """One page: what its bodies became, and the rows that belong to them."""

    def __init__(self, connection: sqlite3.Connection, comparison: Comparison, page: Page) -> None:
        self._connection = connection
        self._of = comparison
        self._page = page
        self._known = {(each.source_id, each.part): each for some in page.known.values() for each in some}
        self.outcomes: dict[tuple[str, int], Outcome] = {}
        self.used: set[str] = set()

    def _note(
        self, name: tuple[str, int], outcome: str, row: str | None = None, detail: object = None
    ) -> None:
        self.outcomes[name] = Outcome(*name, outcome, row, detail)

    def body(self, body: Body) -> None:
        name = (body.source_id, body.part)
        by_key = [] if body.key is None else kept.rows_by_key(self._connection, self._of.list_id, body.key)
        known = self._known.get(name)
        if known is None:
            self._unknown(body, by_key)
        elif known.state in AT_TARGET or (known.cause == "doubled" and len(by_key) > 1):
            self._at_target(body, known, by_key)
        else:
            self._elsewhere(body, known, by_key)

    def _unknown(self, body: Body, by_key: Sequence[Row]) -> None:
        name = (body.source_id, body.part)
        self.used.update(row.id for row in by_key)
        self._of.sums.add([ONE, *parts_of(self._form(body))], is_target=False)
        if body.source_id in self._page.known:
            self._note(name, "stale", detail={"why": "the record becomes more bodies than when it was moved"})
        else:
            self._note(name, "new")

    def _elsewhere(self, body: Body, known: Known, by_key: Sequence[Row]) -> None:
        """What is open, or is expected not to be there."""
        name = (body.source_id, body.part)
        claim = None if body.key is None else self._page.claims.get(body.key)
        is_own = claim is None or (claim.route, claim.source_id) == (self._of.job.name, body.source_id)
        if known.state in _OPEN:
            self.used.update(row.id for row in by_key)
            self._note(name, "pending")
            return
        if known.state is State.SKIPPED and known.cause in (DELETED, *_LEFT):
            self._note(
                name, "new", detail={"why": "the source brings it again since it was deleted or left out"}
            )
            return
        is_there = bool(by_key) and is_own and (claim is None or not claim.rows)
        if is_there:
            self.used.update(row.id for row in by_key)
        detail = {"there": by_key[0].id} if is_there else None
        self._note(name, known.state.name.lower(), detail=detail)

    def _at_target(self, body: Body, known: Known, by_key: Sequence[Row]) -> None:
        name = (body.source_id, body.part)
        form = self._form(body)
        row = self._row_of(known, by_key, has_key=body.key is not None)
        if row is None:
            self._of.sums.add([ONE, *parts_of(form)], is_target=False)
            self._note(name, "missing", known.target_id)
            return
        marks = marks_of(form, plain=self._of.plain)
        self._add(form, marks, row)
        self.used.add(row.id)
        differences = differing(marks, row.marks)
        detail: dict[str, object] = {}
        if differences:
            detail["fields"] = [each.path for each in differences[:_MOST_NAMED]]
            if len(differences) > _MOST_NAMED:
                detail["more"] = len(differences) - _MOST_NAMED
            if self._of.plain:
                detail["values"] = [
                    [value_of(each.wanted), value_of(each.there)] for each in differences[:_MOST_NAMED]
                ]
        if len(by_key) > self._rows_expected(body):
            self._double(name, row, by_key, {**detail, "key": body.key})
        elif differences and body.source_id in self._page.changed:
            self._note(name, "stale", row.id, {**detail, "why": "the source changed it since it was moved"})
        elif differences:
            self._note(name, "different", row.id, detail)
        else:
            self._note(name, "equal", row.id)

    def _double(
        self, name: tuple[str, int], row: Row, by_key: Sequence[Row], detail: dict[str, object]
    ) -> None:
        tops = self._of.sums.compared
        for copy in by_key:
            self.used.add(copy.id)
            if copy.id != row.id:
                self._of.sums.add([ONE, *copy.parts], is_target=True, among=tops)
        others = sorted((copy.id for copy in by_key if copy.id != row.id), key=_in_order)
        self._note(name, "doubled", row.id, {**detail, "rows": [row.id, *others]})

    def _row_of(self, known: Known, by_key: Sequence[Row], *, has_key: bool) -> Row | None:
        """By the id that the ledger knows, else by the natural key; the oldest where several have it."""
        own = None
        if known.target_id is not None and not (self._of.by_key and has_key):
            own = kept.row_by_id(self._connection, self._of.list_id, known.target_id)
        if own is not None or not by_key:
            return own
        return min(by_key, key=lambda row: _in_order(row.id))

    def _rows_expected(self, body: Body) -> int:
        """How many rows may have its key: those that had it before the first write, else one."""
        claim = None if body.key is None else self._page.claims.get(body.key)
        if claim is None:
            # A list whose keys nobody read may hold any row twice without our doing.
            return 1 if self._of.has_keys else 1 << 30
        return max(1, claim.rows) if self._of.has_keys or claim.is_create else 1 << 30

    def _add(self, form: JsonObject, marks: Marks, row: Row) -> None:
        sums = self._of.sums
        sums.note_shown(marks, row.marks.keys())
        both = marks.keys() & row.marks.keys()
        sums.add([ONE, *parts_of(form)], is_target=False, among=both)
        sums.add([ONE, *row.parts], is_target=True, among=both)

    def _form(self, body: Body) -> JsonObject:
        form = form_of(self._of.job.target, decode_json(body.encoded))
        for name in body.fields.keys() - form.keys():
            self._of.sums.unseen[name] = self._of.sums.unseen.get(name, 0) + 1
        return form

    def refused(self, entry: Entry) -> None:
        """What the mapping makes no body of, by now."""
        name = (entry.source_id, entry.part)
        known = self._known.get(name)
        if known is None:
            self._note(name, entry.state.name.lower())
            return
        if known.state not in AT_TARGET:
            self._note_aside(name, known)
            return
        why = f"it is {entry.state.name.lower()} by the mapping as it is now: {entry.cause}"
        self._leave(name, known, "stale" if entry.source_id in self._page.changed else "error", why)

    def rest(self, source_id: str) -> None:
        """Bodies of the ledger that the record does not become any more."""
        for known in self._page.known.get(source_id, ()):
            name = (source_id, known.part)
            if name in self.outcomes:
                continue
            if known.state in AT_TARGET:
                self._leave(name, known, "stale", "the record becomes fewer bodies than when it was moved")
            else:
                self._note_aside(name, known)

    def _note_aside(self, name: tuple[str, int], known: Known) -> None:
        """What is open, or failed, or is skipped since it changed; a row that it became before stays its own."""
        row = None
        if known.target_id is not None:
            row = kept.row_by_id(self._connection, self._of.list_id, known.target_id)
        if row is not None:
            self.used.add(row.id)
        detail = {"there": row.id} if row is not None and known.state not in _OPEN else None
        self._note(name, "pending" if known.state in _OPEN else known.state.name.lower(), detail=detail)

    def _leave(self, name: tuple[str, int], known: Known, outcome: str, why: str) -> None:
        """A row that nothing is held against: it is not extra."""
        if known.target_id is not None:
            row = kept.row_by_id(self._connection, self._of.list_id, known.target_id)
            if row is not None:
                self.used.add(row.id)
                self._of.sums.add([ONE, *row.parts], is_target=True, among=self._of.sums.compared)
        self._note(name, outcome, known.target_id, {"why": why})


def _in_order(row_id: str) -> tuple[int, int, str]:
    """Ids that are numbers by their number, which is their age as a rule."""
    return (0, int(row_id), "") if row_id.isascii() and row_id.isdigit() else (1, 0, row_id)
