"""What is wrong with one migration's file: gathered key by key, told all at once, and never a credential."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bulkmove.errors import ConfigError

KeyPath = tuple[str | int, ...]

_MOST_SHOWN_CHARACTERS = 60
# Only values of these keys are repeated in a message. A URL may hold a password, an option anything.
_SHOWABLE = frozenset(
    {
        "name", "synchronous", "api", "rate", "burst", "concurrency", "timeout_s", "connect_timeout_s",
        "first_byte_timeout_s", "settle_s", "give_up_after_s", "max_response_bytes", "timezone", "source", "target",
        "mapper", "mode", "natural_key", "batch_size", "after",
        "from", "key", "value", "within", "match", "load", "missing", "skip_when", "check_bodies", "decisions",
        "max_rejected", "confirm", "sweep", "keep_before", "mask", "canary", "delta_overlap_s",
    }
)  # fmt: skip


class Problems:
    """The problems of one document; of one key only the first that is found."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._found: dict[KeyPath, str] = {}

    @property
    def document(self) -> Mapping[str, Any]:
        return self._document

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, key: KeyPath, message: str) -> None:
        self._found.setdefault(key, message)

    def add_bad_value(self, key: KeyPath, message: str, *, known: Iterable[str] = ()) -> None:
        """A message of the form "must be …", followed by what stands there, and the nearest of what is known.

        What stands there is the text of the file, with `${…}` as written, never what it stands for.
        """
        value = _value_at(self._document, key)
        shown = f", not {show_value(value)}" if _is_showable(key, value) else ""
        self.add(key, f"{message}{shown}{nearest(value, known)}")

    def raise_any(self, file: Path) -> None:
        """Raises ConfigError, a line a problem, if there is any."""
        if self._found:
            found = sorted(self._found.items(), key=lambda item: _position(self._document, item[0]))
            lines = (f"{file}: {spell_key(key)}: {message}" for key, message in found)
            raise ConfigError("\n".join(lines))


def is_of_fields(key: KeyPath) -> bool:
    """Whether it stands within a [routes.X.fields] table."""
    return len(key) > 3 and key[0] == "routes" and key[2] == "fields"


def spell_key(key: KeyPath) -> str:
    """`hosts.old.rate[1]`, as a person would look for it."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else json.dumps(part, ensure_ascii=False)
            text += f".{bare}" if text else bare
    return text


def show_value(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _MOST_SHOWN_CHARACTERS else f"{text[:_MOST_SHOWN_CHARACTERS]}…"


def nearest(value: object, known: Iterable[str]) -> str:
    """`; did you mean "…"?` for a text that looks like one of the known, else nothing."""
    spellings = {name.casefold(): name for name in known}
    if not isinstance(value, str) or not spellings:
        return ""
    matches = difflib.get_close_matches(value.casefold(), spellings, n=1)
    return f'; did you mean "{spellings[matches[0]]}"?' if matches else ""


def _value_at(document: object, key: KeyPath) -> object:
    for part in key:
        if isinstance(document, Mapping):
            document = document.get(part)
        elif isinstance(document, list) and isinstance(part, int) and part < len(document):
            document = document[part]
        else:
            return None
    return document


def _position(document: object, key: KeyPath) -> list[int]:
    """Sorts problems as their keys stand in the file; what is missing comes first in its table."""
    position: list[int] = []
    for part in key:
        keys = list(document) if isinstance(document, Mapping) else []
        position.append(part if isinstance(part, int) else keys.index(part) if part in keys else -1)
        document = _value_at(document, (part,))
    return position


def _is_showable(key: KeyPath, value: object) -> bool:
    last_name = next((part for part in reversed(key) if isinstance(part, str)), None)
    is_scalar = isinstance(value, str | int | float)
    is_plain = (last_name in _SHOWABLE and "credentials" not in key) or is_of_fields(key)
    return is_scalar and value != "" and is_plain
