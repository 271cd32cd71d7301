"""A ledger as a delta works with it: the pass of one route, and the changes that put changed records to work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from bulkmove import clock
from bulkmove.entries import Entry, Span
from bulkmove.ledger import delta, delta_passes
from bulkmove.ledger.again import Claims
from bulkmove.ledger.delta import Changed, Seen, Standing
from bulkmove.ledger.delta_passes import Found, PassNote, Stage
from bulkmove.ledger.keeping import written_bodies
from bulkmove.ledger.sqlite import SqliteLedger
from bulkmove.model import JsonObject, State


class Passing:
    """One route of a delta. All changes are durable when they return."""

    def __init__(self, ledger: SqliteLedger, route: str) -> None:
        self._ledger = ledger
        self._name = route
        self._route = ledger.number_of(route)
        self.id = 0

    @property
    def run(self) -> int:
        return self._ledger.run

    async def begin(
        self,
        *,
        since: int | None,
        cutoff: int | None,
        spans: Sequence[Span],
        stage: Stage,
        is_whole: bool,
    ) -> PassNote:
        numbers: list[int] = []
        begin = partial(
            delta_passes.begin_pass,
            route=self._route,
            run=self._ledger.run,
            at=clock.now(),
            since=since,
            cutoff=cutoff,
            spans=spans,
            stage=stage,
            is_whole=is_whole,
        )
        await self._ledger.change(lambda connection: numbers.append(begin(connection)))
        self.id = numbers[-1]
        return await self.note()

    async def left_open(self) -> PassNote | None:
        """A pass that was cut off, which this one goes on with."""
        found = await self._ledger.ask(partial(delta_passes.open_pass, route=self._route))
        if found is not None:
            self.id = found.id
        return found

    async def note(self) -> PassNote:
        return await self._ledger.ask(partial(delta_passes.one_pass, number=self.id))

    async def spans(self, first: int) -> list[Span]:
        """The pass's own."""
        progress = await self._ledger.progress(self._name)
        return [span for span in progress.spans if span.id >= first]

    async def go_on(self, stage: Stage, *, requests: int, scanned: int | None = None) -> None:
        change = partial(delta_passes.go_on, number=self.id, stage=stage, requests=requests, scanned=scanned)
        await self._ledger.change(change)

    async def count_requests(self, requests: int) -> None:
        await self._ledger.change(partial(delta_passes.count_requests, number=self.id, requests=requests))

    async def make_whole(self) -> None:
        """A pass that was begun for new records alone looks through the list too."""
        await self._ledger.change(
            lambda connection: connection.execute("UPDATE passes SET is_whole = 1 WHERE id = ?", (self.id,))
        )

    async def end(self, *, requests: int, fewest: int) -> PassNote:
        change = partial(
            delta_passes.end_pass,
            route=self._route,
            run=self._ledger.run,
            number=self.id,
            at=clock.now(),
            requests=requests,
            fewest=fewest,
        )
        await self._ledger.change(change)
        return await self.note()

    # What is known of records, and what they become.

    async def standing(self, ids: Sequence[str]) -> dict[str, list[Standing]]:
        return await self._ledger.ask(partial(delta.standing, route=self._route, ids=ids))

    async def written(self, ids: Sequence[str]) -> dict[tuple[str, int], JsonObject]:
        """What was last written of these records, where it was kept."""
        return await self._ledger.ask(partial(written_bodies, route=self._route, source_ids=ids))

    async def replace(
        self,
        seen: Sequence[Seen],
        entries: Sequence[Entry],
        *,
        was: Mapping[str, Sequence[Standing]],
        keys: Mapping[str, set[str]],
        target_list: str,
    ) -> dict[tuple[str, int], int]:
        """Put entries in the place of what their bodies had become; under which page each went."""
        old_pages = dict.fromkeys(was[each.source_id][0].page for each in seen)
        changed = Changed(
            seen=seen,
            entries=entries,
            pages={page: self._ledger.reserve_chunk() for page in old_pages},
            keys=keys,
            unchanged=len(seen) - len({each.source_id for each in entries if not _is_as_before(each, was)}),
        )
        replace = partial(
            delta.replace_changed,
            route=self._route,
            run=self._ledger.run,
            put_at=clock.now(),
            changed=changed,
            claims=Claims(self._ledger.number_of_list(target_list), self._name),
            intent=self._ledger.reserve_request(),
            pass_id=self.id,
        )
        places: list[dict[tuple[str, int], int]] = []
        await self._ledger.change(lambda connection: places.append(replace(connection)))
        return places[-1]

    # The scan, what it found, and what is gone.

    async def begin_scan(self) -> None:
        await self._ledger.change(partial(delta_passes.begin_scan, route=self._route))

    async def add_findings(self, found: Sequence[Found]) -> None:
        if found:
            await self._ledger.change(partial(delta_passes.add_findings, route=self._route, found=found))

    async def next_findings(self, after: str, most: int) -> list[Found]:
        return await self._ledger.ask(
            partial(delta_passes.next_findings, route=self._route, after=after, most=most)
        )

    async def drop_findings(self, ids: Sequence[str]) -> None:
        if ids:
            await self._ledger.change(partial(delta_passes.drop_findings, route=self._route, ids=ids))

    async def known_ids(self, after: str, most: int) -> list[tuple[str, bool]]:
        return await self._ledger.ask(
            partial(delta_passes.known_ids, route=self._route, after=after, most=most)
        )

    async def note_departed(self, ids: Sequence[str]) -> None:
        if ids:
            await self._ledger.change(
                partial(delta_passes.note_departed, route=self._route, pass_id=self.id, ids=ids)
            )

    async def forget_returned(self) -> None:
        await self._ledger.change(partial(delta_passes.forget_returned, route=self._route, pass_id=self.id))

    async def departed(self, most: int) -> tuple[int, list[str]]:
        return await self._ledger.ask(partial(delta_passes.departed, route=self._route, most=most))

    async def left_rows(self, cause: str, most: int) -> tuple[int, list[str]]:
        return await self._ledger.ask(
            partial(delta_passes.left_rows, route=self._route, cause=cause, most=most)
        )


def _is_as_before(entry: Entry, was: Mapping[str, Sequence[Standing]]) -> bool:
    """Whether a body that is rejected, or skipped, was so for the same cause: it is put down anew, and nothing changed."""
    if entry.state not in (State.REJECTED, State.SKIPPED):
        return False
    return any(
        each.part == entry.part and (each.state, each.cause) == (entry.state, entry.cause)
        for each in was[entry.source_id]
    )
