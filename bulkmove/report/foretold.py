"""What a plan says beyond its counts: fields that would change, requests and time, the ledger, the disk."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from bulkmove.model import Json
from bulkmove.pipeline.fieldwise import Difference, RowChanges
from bulkmove.pipeline.forecast import Forecast, HostForecast, Quota
from bulkmove.pipeline.preview import DiskNeed, LedgerSoFar, ListPreview, Preview, RoutePreview
from bulkmove.report import amounts
from bulkmove.report.beside import plain_text

_MOST_FIELDS = 12
_LONGEST_VALUE = 40
_UNITS = ("KB", "MB", "GB", "TB")
# More of a window than this would have to wait for the next.
_WHOLE = 1.0
_SHORTEST_SHARED_S = 60.0


def foretold(preview: Preview) -> Iterator[RenderableType]:
    """Requests and time, the disk, and what a run finds done."""
    if preview.forecast is not None:
        yield from forecast_of(preview.forecast)
    if preview.disk is not None:
        yield disk_of(preview.disk)
    yield from ledger_of(preview)


def changes_of(routes: Mapping[str, RoutePreview]) -> Iterator[RenderableType]:
    """A table of fields a route, each with a record that shows it; and what of its updates is no change."""
    for name, route in routes.items():
        if route.changes.fields or route.changes.unseen:
            yield _fields(name, route.changes)
        if said := _of_updates(route):
            yield Text(f"route {name}: {said}", "yellow")


def _fields(name: str, changes: RowChanges) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="bold")
    table.add_column(Text(f"{name}: changes"), overflow="fold")
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("record", no_wrap=True)
    table.add_column("there now", overflow="fold")
    table.add_column("would be", overflow="fold")
    shown: dict[str, Difference] = {}
    for each in changes.shown:
        shown.setdefault(_top(each.field), each)
    found = changes.changes()
    for change in found[:_MOST_FIELDS]:
        rows = amounts.count(change.rows)
        if not change.is_shown:
            table.add_row(Text(change.field), rows, "", Text("never shown there", "dim"), "")
            continue
        say = shown.get(change.field)
        if say is None:
            table.add_row(Text(change.field), rows, "", "", "")
            continue
        there = Text(_value(say.there), "red") if say.is_known else Text("another value", "dim")
        table.add_row(
            Text(plain_text(say.field)),
            rows,
            Text(plain_text(say.source_id)),
            there,
            Text(_value(say.would), "green"),
        )
    if (more := len(found) - _MOST_FIELDS) > 0:
        table.add_row(Text(f"and {more} more: --json", "dim"), "", "", "", "")
    return table


def _top(place: str) -> str:
    """The field of a body that a place within it belongs to; a name may hold a point itself."""
    return place.partition("[")[0].partition(".")[0]


def _value(value: Json) -> str:
    text = plain_text(json.dumps(value, ensure_ascii=False, default=_as_text))
    if isinstance(value, list) and len(text) > _LONGEST_VALUE:
        text = f"{len(value)} × {text}"
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _as_text(value: object) -> str:
    return str(value) if isinstance(value, Decimal) else repr(value)


def _of_updates(route: RoutePreview) -> str:
    changes, parts = route.changes, []
    if changes.equal:
        parts.append(f"{_updates(changes.equal)} would change nothing")
    if changes.absent:
        parts.append(
            f"{_updates(changes.absent)} {_name(changes.absent)} a row that the target does not show"
        )
    if changes.uncompared:
        parts.append(f"{_updates(changes.uncompared)} {_was(changes.uncompared)} compared with no row")
    return "; ".join(parts)


def _updates(count: int) -> str:
    return "1 update" if count == 1 else f"{amounts.count(count)} updates"


def _name(count: int) -> str:
    return "names" if count == 1 else "name"


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def lists_of(lists: Sequence[ListPreview]) -> Iterator[Text]:
    """What stands at the target already, where there is anything."""
    for each in lists:
        if each.rows:
            parts = [f"{each.stream} holds {amounts.count(each.rows)} rows"]
            if each.foreign:
                parts.append(f"{amounts.count(each.foreign)} that no record stands for")
            if each.doubled:
                keys = "key that several rows have" if each.doubled == 1 else "keys that several rows have"
                parts.append(f"{amounts.count(each.doubled)} {keys}")
            yield Text(", ".join(parts), "yellow" if each.doubled else "")


def forecast_of(told: Forecast) -> Iterator[RenderableType]:
    """A table of the hosts, and how long it takes."""
    if not any(host.requests for host in told.hosts):
        return
    yield _hosts([host for host in told.hosts if host.requests])
    yield time_of(told)


def _hosts(hosts: Sequence[HostForecast]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="bold")
    table.add_column("host", overflow="fold")
    table.add_column("requests", justify="right", no_wrap=True)
    table.add_column("least", justify="right", no_wrap=True)
    table.add_column("for", overflow="fold")
    table.add_column("share of window", justify="right", no_wrap=True)
    table.add_column("at least", justify="right", no_wrap=True)
    for host in hosts:
        steps = ", ".join(f"{step} {amounts.count(count)}" for step, count in host.steps.items())
        cells = [
            Text(host.name),
            Text(amounts.count(host.requests)),
            Text(amounts.count(host.least), "dim"),
            Text(steps),
        ]
        shares = Text("\n", justify="right").join(
            Text(_share(quota), "yellow" if quota.share > _WHOLE else "dim") for quota in host.quotas
        )
        waits = Text("\n", justify="right").join(
            Text(amounts.duration(quota.least_s) if quota.least_s else "", _style(host, quota.least_s))
            for quota in host.quotas
        )
        table.add_row(*cells, shares, waits)
    return table


def _style(host: HostForecast, seconds: float) -> str:
    return "bold" if seconds == host.least_s else "dim"


def _share(quota: Quota) -> str:
    """Of a window of seconds a share says nothing that the seconds don't."""
    if quota.window.period_s < _SHORTEST_SHARED_S:
        return str(quota.window)
    return f"{_percent(quota.share)} of {quota.window}"


def _percent(share: float) -> str:
    return "< 1 %" if 0 < share < 0.01 else f"{100 * share:,.0f} %"


def time_of(told: Forecast) -> Text:
    """How long it takes, and what for."""
    low, high = amounts.duration(told.low_s), amounts.duration(told.high_s)
    text = Text(f"time: {low} to {high}" if low != high else f"time: about {high}", "bold")
    if told.bottleneck is not None:
        host, limit, share = told.bottleneck
        text.append(f"; {host}: {limit} is the limit, {100 * share:.0f} % of the time", "")
    else:
        text.append("; no host's limit holds it up", "")
    if told.is_partial:
        text.append("; of the sample alone", "")
    elif told.scale > 1:
        text.append("; of all records, by the sample", "")
    return text


def disk_of(disk: DiskNeed) -> Text:
    """What the ledger takes."""
    said = (
        f"ledger: about {size_of(disk.size)}, {size_of(disk.of_record)} a record; {size_of(disk.free)} free"
    )
    return Text(said, "bold red" if disk.size > disk.free else "")


def size_of(count: float) -> str:
    """`640 bytes`, `1.3 KB`, `42 MB`."""
    size, unit = float(count), "bytes"
    for larger in _UNITS:
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.1f} {unit}" if unit != "bytes" and size < 10 else f"{size:,.0f} {unit}"


def ledger_of(preview: Preview) -> Iterator[Text]:
    """What a run finds done."""
    for name, found in preview.ledger.items():
        yield Text(f"route {name}: {_so_far(found)}", "yellow" if found.changed else "")
    if preview.is_running:
        yield Text("a run is going", "yellow")
    elif preview.ledger:
        yield Text("a run does what is left; the plan is of the whole")


def _so_far(found: LedgerSoFar) -> str:
    counts = {name: count for name, count in found.counts.as_dict().items() if count and name != "read"}
    parts = ", ".join(f"{amounts.count(count)} {name}" for name, count in counts.items())
    said = f"the ledger holds {amounts.of_records(found.counts.read)}{f' ({parts})' if parts else ''}"
    if found.is_finished:
        said += ", finished"
    if found.changed:
        said += f"; a run refuses: {', '.join(found.changed)} changed since"
    return said
