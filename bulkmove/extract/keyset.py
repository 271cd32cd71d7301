"""Reading a list that its host sorts and filters by a key: all spans of it, side by side, to the proven end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bulkmove.entries import Span
from bulkmove.errors import UnprovenError
from bulkmove.extract.facts import ListFacts
from bulkmove.extract.pool import Job, Pool
from bulkmove.extract.reader import OnSplit, Sink, SpanReader
from bulkmove.protocols import Source


@dataclass(frozen=True, slots=True)
class KeysetResult:
    """How a reading ended: every span is done. `evidence` are the seconds that agreeing passes closed in this run.

    `leaves_rows_out`: the host was seen to leave rows out inside pages; they were asked for until nothing new came.
    `is_count_honest`: what it counts was not seen to be wrong time and again.
    """

    spans: tuple[Span, ...]
    pages: int
    rows: int
    evidence: tuple[int, ...]
    leaves_rows_out: bool = False
    is_count_honest: bool = True


async def read_keyset(
    source: Source,
    spans: Sequence[Span],
    *,
    limit: int,
    workers: Callable[[], int],
    sink: Sink,
    on_split: OnSplit,
) -> KeysetResult:
    """Read what is not done of `spans` until each is proven read.

    `spans` are all that are known of this list, those that are done included, as they were stored last. At most
    `workers()` requests are in flight, asked anew as it goes: twice as many as keep the host busy; an idle worker takes
    half of the span of which most remains. `await on_split(shortened, new)` is called before the new span is read. `await sink(page)` is called
    in order for each span, for several spans at once; rows may come twice.

    A span that can't be proven does not stop the others: UnprovenError, naming each, is raised at the end.
    BadAnswerError, and what the source raises, ends the reading at once. Cancelled at any await, what the sink
    has stored is what to go on from.
    """
    reading = _Reading(source, spans, limit=limit, workers=workers, sink=sink, on_split=on_split)
    return await reading.run()


class _Reading:
    def __init__(
        self,
        source: Source,
        spans: Sequence[Span],
        *,
        limit: int,
        workers: Callable[[], int],
        sink: Sink,
        on_split: OnSplit,
    ) -> None:
        self._facts = facts = ListFacts()
        self._done = [span for span in spans if span.is_done]
        self._waiting = deque(
            SpanReader(source, span, limit=limit, facts=facts, sink=sink)
            for span in spans
            if not span.is_done
        )
        self._readers = list(self._waiting)
        self._running: list[SpanReader] = []
        self._failures: list[UnprovenError] = []
        self._next_id = max((span.id for span in spans), default=-1) + 1
        self._on_split = on_split
        self._workers = workers
        self._pool = Pool(workers, self._next_job, name="read a span")

    async def run(self) -> KeysetResult:
        await self._pool.run()
        if self._failures:
            raise UnprovenError("; ".join(str(failure) for failure in self._failures)) from self._failures[0]
        spans = sorted((*self._done, *(reader.span for reader in self._readers)), key=lambda span: span.id)
        return KeysetResult(
            spans=tuple(spans),
            pages=sum(reader.pages for reader in self._readers),
            rows=sum(reader.rows for reader in self._readers),
            evidence=tuple(sorted(second for reader in self._readers for second in reader.evidence)),
            leaves_rows_out=self._facts.leaves_rows_out,
            is_count_honest=self._facts.is_total_honest,
        )

    def _next_job(self) -> Job | None:
        if self._waiting:
            reader = self._waiting.popleft()
            return lambda: self._read(reader)
        # Half of the readers keep the host busy, and two more than that are always there.
        is_free = 2 * len(self._running) + 2 < self._workers()
        splittable = (reader for reader in self._running if reader.can_split(is_free=is_free))
        longest = max(splittable, key=_rows_left, default=None)
        if longest is None:
            return None
        longest.is_splitting = True
        return lambda: self._read_half(longest)

    async def _read_half(self, reader: SpanReader) -> None:
        new_id, self._next_id = self._next_id, self._next_id + 1
        half = await reader.split(new_id, self._on_split)
        if half is not None:
            self._readers.append(half)
            await self._read(half)

    async def _read(self, reader: SpanReader) -> None:
        self._running.append(reader)
        try:
            while not reader.span.is_done:
                await reader.step()
                if self._pool.is_surplus:
                    self._put_back(reader)
                    return
                self._pool.wake()
        except UnprovenError as failure:
            self._failures.append(failure)
        finally:
            self._running.remove(reader)

    def _put_back(self, reader: SpanReader) -> None:
        if not reader.span.is_done:
            self._waiting.append(reader)


def _rows_left(reader: SpanReader) -> float:
    return reader.rows_left or 0.0
