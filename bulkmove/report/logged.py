"""What `--log-format json` writes: the fields that every line has, whatever it tells."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, Literal

from bulkmove import clock

Level = Literal["info", "warning", "error"]

# How a sentence on stderr begins, and what it is then: its event and its level.
_HEADS: tuple[tuple[str, str, Level], ...] = (
    ("error: ", "error", "error"),
    ("unexpected: ", "error", "error"),
    ("warning: ", "warning", "warning"),
    ("note: ", "note", "warning"),
    ("interrupted", "interrupted", "info"),
    ("waiting ", "waiting", "info"),
    ("Traceback ", "traceback", "error"),
)
_STRIPPED = re.compile(r"(error|warning|note): ")


def entry(event: str, level: Level = "info", **fields: Any) -> dict[str, Any]:
    """A line: when (ISO, UTC), how grave, what happened, and all else that there is to say of it."""
    moment = dt.datetime.fromtimestamp(clock.now(), dt.UTC).isoformat(timespec="milliseconds")
    return {"time": moment.removesuffix("+00:00") + "Z", "level": level, "event": event, **fields}


def said(text: str) -> dict[str, Any]:
    """A sentence that is told on stderr: its first words tell what it is."""
    event, level = next(
        ((event, level) for head, event, level in _HEADS if text.startswith(head)), ("log", "info")
    )
    return entry(event, level, text=_STRIPPED.sub("", text, count=1) if event != "log" else text)
