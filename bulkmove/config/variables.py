"""`${NAME}` in the strings of a migration stands for an environment variable, `$${` for `${` itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bulkmove.config.problems import KeyPath, Problems, nearest
from bulkmove.exact import is_utf8

_REFERENCE = re.compile(r"\$(?P<escaped>\$?)\{(?P<name>[^}]*)(?P<end>\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def has_variable(text: str) -> bool:
    return any(not match["escaped"] for match in _REFERENCE.finditer(text))


def expand(text: str, environ: Mapping[str, str]) -> str:
    """The text with its variables filled in. Raises ValueError, which names the variable, never a value."""

    def fill_in(match: re.Match[str]) -> str:
        if match["escaped"]:
            return match[0][1:]
        name = match["name"]
        if not match["end"] or not _NAME.fullmatch(name):
            raise ValueError(
                "${ is not followed by a variable's name and }; write $${ for the characters themselves"
            )
        if name not in environ:
            raise ValueError(f"the environment variable {name} is not set{nearest(name, environ)}")
        value = environ[name]
        if not is_utf8(value):
            raise ValueError(f"the environment variable {name} holds bytes that are no text in UTF-8")
        return value

    return _REFERENCE.sub(fill_in, text)


def expand_document(
    document: Mapping[str, Any], environ: Mapping[str, str], problems: Problems
) -> dict[str, Any]:
    """The document with every variable filled in, but for credentials: those stay what they are in the file."""
    expanded: dict[str, Any] = _expand(document, (), environ, problems)
    return expanded


def _expand(value: Any, key: KeyPath, environ: Mapping[str, str], problems: Problems) -> Any:
    if is_credential(key):
        return value
    if isinstance(value, Mapping):
        return {name: _expand(inner, (*key, name), environ, problems) for name, inner in value.items()}
    if isinstance(value, list):
        return [_expand(inner, (*key, index), environ, problems) for index, inner in enumerate(value)]
    if isinstance(value, str):
        try:
            return expand(value, environ)
        except ValueError as error:
            problems.add(key, str(error))
    return value


def is_credential(key: KeyPath) -> bool:
    return len(key) >= 3 and key[0] == "hosts" and key[2] == "credentials"
