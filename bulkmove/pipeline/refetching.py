"""Source records of failures that the ledger did not keep, read from their hosts once more; nothing is written."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from anyio import CapacityLimiter, to_thread

from bulkmove.errors import single_error
from bulkmove.exact import encode_json
from bulkmove.ledger import failing, questions
from bulkmove.ledger.failing import Selection
from bulkmove.mapping.masking import Mask
from bulkmove.model import Record
from bulkmove.pipeline.exporting import Found
from bulkmove.pipeline.hosts import OnPause, opened
from bulkmove.pipeline.masking import mask_beside, masked
from bulkmove.pipeline.opening import readers_of
from bulkmove.pipeline.plan import MigrationPlan, RoutePlan
from bulkmove.pipeline.whole import find_all, read_list
from bulkmove.protocols import FindsById


class _Lacking:
    """Asks the ledger, off the loop, which records are not kept."""

    def __init__(self, connection: sqlite3.Connection, route: int, selection: Selection) -> None:
        self._ask = partial(failing.places, connection, route, selection, lacks_record=True)
        self._lane = CapacityLimiter(1)

    async def behind(self, after: str | None, most: int) -> list[str]:
        places = await to_thread.run_sync(partial(self._ask, after=after, most=most), limiter=self._lane)
        return list(dict.fromkeys(source_id for source_id, _ in places))

    async def among(self, ids: Sequence[str]) -> set[str]:
        ask = partial(self._ask, among=ids, most=len(ids))
        return {source_id for source_id, _ in await to_thread.run_sync(ask, limiter=self._lane)}


async def refetch(
    plan: MigrationPlan,
    connection: sqlite3.Connection,
    selection: Selection,
    found: Found,
    *,
    on_pause: OnPause | None = None,
) -> None:
    """Read the records that the chosen failures lack into `found`: by their ids where the source can, else out of its list.

    Raises what reading a source raises.
    """
    numbers, mask = questions.routes(connection), mask_beside(plan.settings, connection)
    for name, route in plan.routes.items():
        if name not in numbers or (selection.routes and name not in selection.routes):
            continue
        lacking = _Lacking(connection, numbers[name], selection)
        if await lacking.behind(None, 1):
            with single_error():
                await _read(plan, route, lacking, found, mask=mask, on_pause=on_pause)


async def _read(
    plan: MigrationPlan,
    route: RoutePlan,
    lacking: _Lacking,
    found: Found,
    *,
    mask: Mask | None,
    on_pause: OnPause | None,
) -> None:
    settings = replace(route.settings, fields_used=None)  # a person shall see all of it
    host, api = plan.settings.hosts[settings.source.host], plan.connectors[settings.source.host]
    async with opened(host, api, on_pause) as transport:
        unmasked = api.source(settings.source.stream, transport, settings)
        source, derive = masked(unmasked, route.source.derive, mask)

        async def keep(records: Sequence[Record]) -> None:
            wanted = await lacking.among([r.id for r in records if r.id is not None])
            kept = [(r.id, _encoded(r)) for r in records if r.id is not None and r.id in wanted]
            await found.add(settings.name, kept)

        if isinstance(source, FindsById) and derive is None:
            after: str | None = None
            while ids := await lacking.behind(after, source.find_at_once):
                after = ids[-1]
                await keep(list((await find_all(source, ids)).values()))
        else:
            await read_list(source, keep, readers=readers_of(transport), derive=derive)


def _encoded(record: Record) -> bytes:
    try:
        return encode_json(record.data)
    except (TypeError, ValueError):  # a lone surrogate, which has no UTF-8
        return encode_json(repr(record.data).encode("utf-8", "backslashreplace").decode())
