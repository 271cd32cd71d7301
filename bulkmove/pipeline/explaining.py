"""One record's story, as its ledger tells it, step by step in the order of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from bulkmove.errors import ConfigError
from bulkmove.ledger.again import RETRY
from bulkmove.ledger.delta import DELTA
from bulkmove.ledger.file import is_locked
from bulkmove.ledger.looking import looked_at
from bulkmove.ledger.story import BodyNote, PageNote, RequestNote, RunNote, Story
from bulkmove.ledger.story import story as read_story
from bulkmove.model import State
from bulkmove.pipeline.selecting import check_routes, unknown_record
from bulkmove.settings import MigrationSettings

What = Literal["run-began", "read", "mapped", "request", "in-doubt", "settled", "open", "run-ended"]

# Kinds of runs that read records again which were mapped before.
_MAP_ANEW = (RETRY, DELTA)
# Outcomes that need no request.
_WHEN_MAPPED = (State.SKIPPED, State.UNCHANGED, State.REJECTED)


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to the record in a run. `at`: epoch seconds, None where it was not noted."""

    what: What
    text: str
    run: int | None = None
    at: float | None = None
    part: int | None = None


@dataclass(frozen=True, slots=True)
class Explained:
    """A story with its steps. `outcome`: that of its worst body, as the record counts."""

    story: Story
    outcome: str
    steps: Sequence[Step]


def explain_record(settings: MigrationSettings, route: str, source_id: str) -> Explained:
    """What `Migration.explain` promises."""
    path = settings.ledger
    with looked_at(path, is_newest=True) as connection:
        check_routes(settings, [route], connection)
        if connection is None:
            raise ConfigError(f"{path}: there is no ledger yet: nothing was run")
        found = read_story(connection, route, source_id)
        if found is None:
            raise unknown_record(connection, source_id, [route])
        return explain(found, is_going=is_locked(path))


def explain(story: Story, *, is_going: bool) -> Explained:
    """`is_going`: a run holds the ledger now, so that the newest has not been killed."""
    worst = max(body.state for body in story.bodies)
    going = max((run.id for run in story.runs), default=0) if is_going else 0
    steps = [*_begun(story.runs), *_put_down(story)]
    for body in story.bodies:
        steps += _of_body(story, body, going=going)
    steps += _ended(story.runs, going=going)
    outcome = "pending" if worst in {State.SEEN, State.PENDING} else worst.name.lower()
    return Explained(story, outcome, _in_order(steps, story.runs))


def _in_order(steps: Sequence[Step], runs: Sequence[RunNote]) -> list[Step]:
    """By time; what has none came to pass before its run ended, and what is open comes last."""
    ends = {run.id: run.ended_at or run.alive_at for run in runs}

    def key(step: Step) -> tuple[bool, float, bool]:
        at = step.at if step.at is not None else ends.get(step.run or 0, 0.0)
        return (step.what == "open", at, step.what == "run-ended")

    return sorted(steps, key=key)


def _kind(run: RunNote) -> str:
    return run.kind


def _begun(runs: Sequence[RunNote]) -> Iterator[Step]:
    for run in runs:
        yield Step("run-began", f"{_kind(run)} {run.id} began", run.id, run.started_at)


def _ended(runs: Sequence[RunNote], *, going: int) -> Iterator[Step]:
    for run in runs:
        if run.ended_at is not None:
            text = f"{_kind(run)} {run.id} ended with {run.exit_code}"
            yield Step("run-ended", text, run.id, run.ended_at)
        elif run.id == going:
            yield Step("open", f"{_kind(run)} {run.id} is going", run.id)
        else:
            text = f"{_kind(run)} {run.id} was killed; this was its last sign of life"
            yield Step("run-ended", text, run.id, run.alive_at)


def _put_down(story: Story) -> Iterator[Step]:
    """Read, kept as it was, mapped, mapped anew: a step a page."""
    kinds = {run.id: run.kind for run in story.runs}
    for place, page in enumerate(story.pages):
        at = page.put_at or None
        if page.id < 0:
            yield Step(
                "read", "read and mapped by an older bulkmove, which noted no pages", page.run or None, at
            )
        elif place and kinds.get(page.run) in _MAP_ANEW:
            yield Step("mapped", f"read again and mapped anew{_became(story, page)}", page.run, at)
        elif place:
            yield Step("mapped", f"mapped{_became(story, page)}", page.run, at)
        else:
            is_kept = len(story.pages) > 1 and kinds.get(story.pages[1].run) not in _MAP_ANEW
            became = "to be mapped once all was read" if is_kept else f"and mapped{_became(story, page)}"
            beside = _beside(page.records)
            comma = "," if beside or is_kept else ""
            yield Step("read", f"read in page {page.id}{beside}{comma} {became}", page.run, at)


def _beside(records: int) -> str:
    return "" if records < 2 else f", with {records - 1:,} other{'s' if records > 2 else ''}"


def _became(story: Story, page: PageNote) -> str:
    """How many bodies, where it is the page that made them."""
    is_last = page is story.pages[-1]
    return f" to {len(story.bodies)} bodies" if is_last and len(story.bodies) > 1 else ""


def _of_body(story: Story, body: BodyNote, *, going: int) -> Iterator[Step]:
    name = f"body {body.part + 1}: " if len(story.bodies) > 1 else ""
    for request in body.requests:
        text = f"{name}request {request.id}{_beside(request.bodies)}: {request.said}"
        yield Step("request", text, request.run, request.sent_at, body.part)
    for former in body.former:
        text = _said(former.state, former.cause, former.message)
        yield Step("settled", f"{name}{text}", former.run, former.at, body.part)
    for doubt in body.doubts:
        if not doubt.sent_at:
            text = "to be sent again, once a look at the target's list shows that it is not there"
        elif doubt.is_parked:
            text = f"request {doubt.request} is in doubt since: it is read back before anything is sent again"
        elif doubt.run == going:
            text = f"request {doubt.request} is in flight"
        else:
            text = f"request {doubt.request} was about to be sent, or was, when its run was cut off: it is in doubt"
        yield Step("in-doubt", f"{name}{text}", doubt.run, doubt.sent_at or None, body.part)
    if body.state in {State.SEEN, State.PENDING}:
        text = "it is not mapped yet" if body.state is State.SEEN else "it has no outcome yet"
        yield Step("open", f"{name}{text}; the next run goes on with it", part=body.part)
        return
    yield _settled(story, body, name)


def _settled(story: Story, body: BodyNote, name: str) -> Step:
    last = next((request for request in body.requests if request.is_last), None)
    page = story.pages[-1] if story.pages else None
    outcome = _outcome(body)
    if last is not None and last.run == body.run:
        return Step("settled", f"{name}{outcome}", body.run, _after(last), body.part)
    if page is None or (page.id < 0 and not body.requests):
        return Step("settled", f"{name}{outcome}", body.run, None, body.part)
    was_sent_since = any(request.sent_at >= page.put_at for request in body.requests)
    if body.state in _WHEN_MAPPED and page.run == body.run and not was_sent_since:
        return Step("settled", f"{name}{outcome}", body.run, page.put_at, body.part)
    if body.state is State.SKIPPED:
        return Step("settled", f"{name}{outcome}", body.run, None, body.part)
    found = " and found as it was mapped" if body.state is State.WRITTEN else ""
    return Step("settled", f"{name}read back{found}: {outcome}", body.run, None, body.part)


def _after(request: RequestNote) -> float:
    return max(request.answered_at, request.sent_at)


def _outcome(body: BodyNote) -> str:
    row = f"row {body.target_id}" if body.target_id is not None else "a row without an id"
    match body.state:
        case State.WRITTEN:
            return f"written: {row} of the target"
        case State.UNCHANGED:
            return f"unchanged: {row} of the target holds it"
        case _:
            return _said(body.state, body.cause, body.message)


def _said(state: State, cause: str | None, message: str | None) -> str:
    said = f": {message.splitlines()[0]}" if message else ""
    if cause is None and state in {State.WRITTEN, State.UNCHANGED}:
        return f"{state.name.lower()}{said}"
    return f"{state.name.lower()} ({cause or 'no cause'}){said}"
