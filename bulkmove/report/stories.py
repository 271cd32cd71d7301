"""One record's story, for people or for programs."""

from __future__ import annotations

import re
import sys
from datetime import datetime
from typing import Any

import orjson
from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.text import Text

from bulkmove.exact import decode_json
from bulkmove.ledger.story import BodyNote
from bulkmove.model import State
from bulkmove.pipeline.explaining import Explained, Step
from bulkmove.report.prose import width_of, wrapped
from bulkmove.report.telling import stdout_console

_OUTCOME_STYLES = {"written": "green", "rejected": "red", "unknown": "magenta", "pending": "yellow"}
_STEP_STYLES = {"run-began": "dim", "run-ended": "dim", "settled": "bold", "open": "yellow"}
# What would steer a terminal.
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_GAP = "  "
_INDENT = "  "


def tell_story(explained: Explained, *, is_whole: bool) -> None:
    """`is_whole`: also the record as it was read, where that is kept."""
    console, width = stdout_console(), width_of(sys.stdout)
    story = explained.story
    title = Text(f"{story.route} {story.source_id}", "bold")
    title.append(": ").append(explained.outcome, _OUTCOME_STYLES.get(explained.outcome, ""))
    if story.version is not None:
        title.append(f", as of {story.version} at its source", "not bold")
    console.print(title, soft_wrap=True)
    console.print()
    _tell_steps(console, explained.steps, width)
    if story.is_gone:
        console.print(_INDENT + "it left the source while that was read", soft_wrap=True)
    for body in story.bodies:
        _tell_body(
            console, body, name=f" of body {body.part + 1}" if len(story.bodies) > 1 else "", width=width
        )
    if story.record is None:
        return
    if is_whole:
        console.print("\nas it was read", style="bold")
        _show_json(console, story.record)
    else:
        console.print("\nthe record as it was read is kept: -v shows it", style="dim")


def _tell_steps(console: Console, steps: Any, width: int | None) -> None:
    stamps = ["" if step.at is None else _local(step.at) for step in steps]
    wide = max(map(len, stamps), default=0)
    for step, stamp in zip(steps, stamps, strict=True):
        room = None if width is None else width - wide - len(_INDENT + _GAP)
        first, *more = wrapped(step.text, room)
        line = Text(_INDENT).append(stamp.ljust(wide), "cyan").append(_GAP)
        console.print(line.append(first, _STEP_STYLES.get(step.what, "")), soft_wrap=True)
        for part in more:
            text = Text(" " * (wide + len(_INDENT + _GAP))).append(part, _STEP_STYLES.get(step.what, ""))
            console.print(text, soft_wrap=True)


def _local(at: float) -> str:
    """Local time with its zone, to the second."""
    moment = datetime.fromtimestamp(at).astimezone()
    return f"{moment:%Y-%m-%d %H:%M:%S} {moment.isoformat()[-6:]}"


def _tell_body(console: Console, body: BodyNote, *, name: str, width: int | None) -> None:
    if body.message and (more := body.message.splitlines()[1:]):
        console.print(f"\nwhole message{name}", style="bold")
        for line in more:
            console.print(Text(_INDENT + line), soft_wrap=True)
    if body.answer is not None and body.state >= State.REJECTED:
        console.print(f"\nwhat the host answered{name}", style="bold")
        for line in _CONTROL.sub("�", body.answer).split("\n"):
            for part in wrapped(line, None if width is None else width - len(_INDENT), break_words=True):
                console.print(Text(_INDENT + part), soft_wrap=True)
    if body.body is not None:
        to = "" if body.target_id is None else f", for row {body.target_id} of the target"
        console.print(f"\nmapped to{name.replace(' of', '')}{to}", style="bold")
        _show_json(console, body.body)
    elif body.digest is not None:
        console.print(f"\nits body{name} is not kept; its hash is {body.digest.hex()}", style="dim")


def _show_json(console: Console, encoded: bytes) -> None:
    text = orjson.dumps(decode_json(encoded), default=_digits, option=orjson.OPT_INDENT_2).decode()
    for line in text.splitlines():
        shown = Text(_INDENT + line)
        console.print(JSONHighlighter()(shown) if console.is_terminal else shown, soft_wrap=True)


def _digits(value: object) -> Any:
    """A number that no double holds, as it came."""
    return orjson.Fragment(str(value).encode())


def story_json(explained: Explained) -> str:
    """All of it as one JSON object; times in UTC, ISO 8601."""
    story = explained.story
    line = {
        "type": "story",
        "route": story.route,
        "source_id": story.source_id,
        "outcome": explained.outcome,
        "version": story.version,
        "steps": [_step(step) for step in explained.steps],
        "bodies": [_body(body) for body in story.bodies],
        "record": _fragment(story.record),
    }
    return orjson.dumps(line).decode()


def _step(step: Step) -> dict[str, Any]:
    return {"at": _utc(step.at), "run": step.run, "what": step.what, "part": step.part, "text": step.text}


def _body(body: BodyNote) -> dict[str, Any]:
    return {
        "part": body.part,
        "outcome": body.state.name.lower(),
        "cause": body.cause,
        "message": body.message,
        "target_id": body.target_id,
        "digest": None if body.digest is None else body.digest.hex(),
        "mapped": _fragment(body.body),
        "answer": body.answer,
        "requests": [
            {
                "number": request.id,
                "run": request.run,
                "sent_at": _utc(request.sent_at),
                "answered_at": _utc(request.answered_at),
                "bodies": request.bodies,
                "said": request.said,
            }
            for request in body.requests
        ],
    }


def _utc(at: float | None) -> str | None:
    if at is None:
        return None
    return datetime.fromtimestamp(at).astimezone().isoformat(timespec="milliseconds")


def _fragment(encoded: bytes | None) -> Any:
    return None if encoded is None else orjson.Fragment(encoded)
