"""What a plan says to programs: a JSON line each."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from bulkmove.exact import encode_json
from bulkmove.pipeline.forecast import Forecast
from bulkmove.pipeline.preview import Preview, RoutePreview, Sample
from bulkmove.report.preview import nothing_written, numbers_of
from bulkmove.report.summary import notes_of

Line = dict[str, object]


def tell_preview_json(preview: Preview) -> None:
    """The summary line follows when the command ends."""
    for line in preview_lines(preview):
        sys.stdout.write(encode_json(line).decode() + "\n")


def tell_saved(file: Path, *, as_json: bool) -> None:
    """That the plan was saved, and what for."""
    said = f"the plan is in {file}: bulkmove run --plan {file} holds itself to it"
    line: Line = {"type": "saved", "file": str(file)}
    sys.stdout.write(encode_json(line).decode() + "\n" if as_json else f"{said}\n")


def preview_lines(preview: Preview) -> Iterator[Line]:
    """All that there is to say, in order."""
    for sample in preview.samples:
        yield _sample(sample)
    for miss in preview.unresolved:
        yield {"type": "unresolved", **miss.as_dict()}
    for name, route in preview.routes.items():
        yield from _route(name, route)
    for each in preview.lists:
        yield {"type": "target", **each._asdict()}
    if preview.forecast is not None:
        yield from _forecast(preview.forecast)
    if preview.disk is not None:
        need = preview.disk
        yield {
            "type": "disk",
            "bytes": need.size,
            "bytes_a_record": round(need.of_record, 1),
            "free": need.free,
        }
    for name, found in preview.ledger.items():
        counts = found.counts.as_dict()
        changed = list(found.changed)
        yield {
            "type": "ledger",
            "route": name,
            **counts,
            "is_finished": found.is_finished,
            "changed": changed,
        }
    for note in notes_of(preview.summary):
        yield {"type": "note", "text": note}
    if preview.decisions is not None and (preview.unresolved or preview.is_written):
        yield {"type": "decisions", "file": str(preview.decisions), "is_written": preview.is_written}
    yield {"type": "note", "text": nothing_written(preview)}


def _sample(sample: Sample) -> Line:
    bodies = [part.body for part in sample.parts if part.body is not None]
    outcomes = [part.outcome for part in sample.parts]
    return {
        "type": "preview",
        "route": sample.route,
        "source_id": sample.source_id,
        "source": sample.source,
        "mapped": bodies[0] if len(bodies) == 1 else bodies or None,
        "outcome": outcomes if len(outcomes) > 1 else outcomes[0],
        "message": next((part.message for part in sample.parts if part.message), None),
    }


def _route(name: str, route: RoutePreview) -> Iterator[Line]:
    numbers = {key.replace(" ", "_"): number for key, number in numbers_of(route).items()}
    yield {"type": "plan", "route": name, **numbers}
    changes = route.changes
    if changes.fields or changes.unseen or changes.equal or changes.absent or changes.uncompared:
        yield {
            "type": "changes",
            "route": name,
            "equal": changes.equal,
            "absent": changes.absent,
            "not_compared": changes.uncompared,
        }
    for change in changes.changes():
        yield {"type": "field", "route": name, **change._asdict()}
    for difference in changes.shown:
        yield {"type": "difference", "route": name, **difference._asdict()}
    for cause in route.causes:
        yield {"type": "cause", "route": name, **cause._asdict()}
    for each in route.empty:
        texts = list(each.texts)
        yield {"type": "empty", "route": name, "field": each.target, "paths": texts, "records": route.bodies}
    if route.no_place:
        yield {"type": "no-place", "route": name, "fields": list(route.no_place)}
    if route.unread:
        yield {"type": "unread", "route": name, "fields": list(route.unread)}


def _forecast(told: Forecast) -> Iterator[Line]:
    for load in told.loads:
        yield {"type": "requests", **load._asdict(), "route": load.route or None}
    for host in told.hosts:
        for quota in host.quotas:
            yield {
                "type": "quota",
                "host": host.name,
                "window": str(quota.window),
                "requests": host.requests,
                "share": round(quota.share, 4),
                "least_s": round(quota.least_s, 1),
            }
    bottleneck = told.bottleneck
    yield {
        "type": "time",
        "low_s": round(told.low_s, 1),
        "high_s": round(told.high_s, 1),
        "bottleneck": None
        if bottleneck is None
        else {"host": bottleneck.host, "limit": bottleneck.limit, "share": round(bottleneck.share, 3)},
        "scale": round(told.scale, 3),
        "is_partial": told.is_partial,
    }
