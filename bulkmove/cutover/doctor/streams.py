"""One stream in all the ways in which a migration uses it: listed, asked by filters, matched by a key, searched."""

from __future__ import annotations

import time
from collections.abc import Sequence

from bulkmove.cutover.doctor.finding import Findings
from bulkmove.cutover.doctor.listing import ListLook, look_at_list
from bulkmove.cutover.doctor.uses import StreamUse, reading_of
from bulkmove.errors import ConfigError
from bulkmove.mapping.lookups.keys import NOTHING, FieldWatch, field_reader, text_of
from bulkmove.model import JsonObject, PageQuery, Record
from bulkmove.protocols import Connector, Search, Source, Transport
from bulkmove.settings import LookupSettings, RouteSettings, StreamName

# What no row is called, for a search that has nothing to go by.
_NOBODY = "bulkmove-doctor"


async def look_at_stream(
    use: StreamUse, transport: Transport, connector: Connector, *, findings: Findings
) -> None:
    """Four requests at most, and one for each further filter and look-up on demand.

    Raises what sources raise, and ConfigError for filters, dates and fields that can't be right.
    """
    if connector.is_local and use.writes:
        if use.reads:
            findings.assumed(use.stream, f"route {use.writes[0].name} writes it before it is read")
        return
    rows: Sequence[Record] = ()
    source = _source(use, transport, connector)
    if source is None:
        findings.assumed(use.stream, "can't be listed: nothing could be seen of it")
    else:
        look = ListLook(use.stream, source, int(time.time()))
        rows = await look_at_list(look, findings)
        for route in use.reads[1:]:
            await _look_by_filter(use.stream, route, transport, connector, findings)
        _judge_key(use, transport, connector, rows, findings)
    derive = connector.streams[use.stream].derive
    shown = [row.data for record in rows for row in (derive(record) if derive is not None else (record,))]
    for lookup in use.lookups:
        with findings.errors(f"{use.stream}: look-up"):
            _judge_fields(lookup, shown, findings)
            if lookup.load == "on-demand":
                await _look_on_demand(lookup, transport, connector, shown, findings)


def _source(use: StreamUse, transport: Transport, connector: Connector) -> Source | None:
    """The list as a run reads it: a target's own where it is only written."""
    if not connector.streams[use.stream].can_read:
        if not use.writes:
            return None
        target = connector.target(use.stream, transport, use.writes[0])
        try:
            return target.list()
        except ConfigError:
            # Rows that are named by their ids alone need no list, and there may be none.
            if target.natural_key != target.id_field:
                raise
            return None
    name = StreamName(transport.host.name, use.stream)
    route = use.reads[0] if use.reads else reading_of("doctor", name)
    return connector.source(use.stream, transport, route)


async def _look_by_filter(
    stream: str, route: RouteSettings, transport: Transport, connector: Connector, findings: Findings
) -> None:
    source = connector.source(stream, transport, route)
    page = await source.fetch(ListLook(stream, source, 0).query(limit=1))
    told = "" if page.total is None else f": {page.total:,} rows"
    findings.good(f"{stream}: where", f"the filters of {route.name} are taken{told}")


def _judge_key(
    use: StreamUse, transport: Transport, connector: Connector, rows: Sequence[Record], findings: Findings
) -> None:
    """Rows that were written are found again by their natural key: it has to come back."""
    targets = [connector.target(use.stream, transport, route) for route in use.writes]
    for key in dict.fromkeys(each.natural_key for each in targets if each.natural_key != each.id_field):
        question = f"{use.stream}: key"
        if not rows:
            findings.assumed(question, f"the list is empty: that rows show {key!r} could not be seen")
        elif any(key in row.data for row in rows):
            findings.good(question, f"rows show {key!r}, by which they are found again")
        else:
            findings.bad(question, f"no row shows {key!r}, by which they are to be found again")


def _judge_fields(lookup: LookupSettings, rows: Sequence[JsonObject], findings: Findings) -> None:
    """Raises ConfigError for a field of the look-up that no row has."""
    watch = FieldWatch(lookup, f"the first page of {lookup.stream}")
    for row in rows:
        watch.read(row)
    watch.check()
    if rows and lookup.stream is not None:
        fields = " and ".join(dict.fromkeys(filter(None, (lookup.key, lookup.within, lookup.value))))
        findings.good(f"{lookup.stream.stream}: look-up", f"rows show {fields}, as {lookup.name} needs")


async def _look_on_demand(
    lookup: LookupSettings,
    transport: Transport,
    connector: Connector,
    rows: Sequence[JsonObject],
    findings: Findings,
) -> None:
    """Ask for a row that the list showed, as the look-up does: by its text, or for all that belongs to its outer value."""
    if lookup.stream is None:
        return
    spec = connector.streams[lookup.stream.stream]
    if spec.can_search:
        await _look_by_search(lookup, connector.search(spec.name, transport), rows, findings)
    elif lookup.within is not None and (outer := _first(rows, lookup.within)) is not None:
        where = {**lookup.where, lookup.within: outer}
        source = connector.source(spec.name, transport, reading_of(lookup.name, lookup.stream, where))
        page = await source.fetch(PageQuery(limit=source.listing.page_limit))
        read = field_reader(lookup.within)
        if all(text_of(read(row.data)) == outer for row in page.records):
            findings.good(f"{spec.name}: search", f"by {lookup.within} takes effect")
        else:
            findings.note(
                f"{spec.name}: search", f"by {lookup.within} is ignored: each question brings other rows too"
            )


async def _look_by_search(
    lookup: LookupSettings, search: Search, rows: Sequence[JsonObject], findings: Findings
) -> None:
    question = f"{lookup.stream.stream if lookup.stream is not None else lookup.name}: search"
    known = _first(rows, lookup.key)
    found = await search(_NOBODY if known is None else known)
    read = field_reader(lookup.key)
    if known is None:
        findings.good(question, "answers")
    elif any(text_of(read(row)) == known for row in found):
        findings.good(question, f"finds a row by its {lookup.key}")
    else:
        findings.bad(question, f"does not find a row of the list by its {lookup.key}")


def _first(rows: Sequence[JsonObject], field: str) -> str | None:
    read = field_reader(field)
    values = (read(row) for row in rows)
    return next((text for value in values if value is not NOTHING and (text := text_of(value))), None)
