"""Sentences on a terminal: broken between words at its width, what follows the first line hanging below it."""

from __future__ import annotations

import os
import textwrap
from typing import TextIO

_NARROWEST = 20
INDENT = "  "


def hung(text: str, width: int | None, *, indent: str = INDENT) -> str:
    """The text in lines of at most `width`; None breaks nothing. Lines that it has stay, and no word is broken."""
    if width is None:
        return text
    return "\n".join(
        textwrap.fill(
            line,
            max(width, _NARROWEST),
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in text.split("\n")
    )


def wrapped(text: str, width: int | None, *, break_words: bool = False) -> list[str]:
    """The text as lines of at most `width`, one at least; None breaks nothing."""
    if width is None:
        return [text]
    room = max(width, _NARROWEST)
    return textwrap.wrap(text, room, break_long_words=break_words, break_on_hyphens=False) or [""]


def width_of(stream: TextIO) -> int | None:
    """The columns of the terminal that the stream is, COLUMNS where that is set; None where it is no terminal."""
    try:
        if not stream.isatty():
            return None
        told = os.environ.get("COLUMNS", "")
        return int(told) if told.isdigit() and int(told) else os.get_terminal_size(stream.fileno()).columns
    except (AttributeError, OSError, ValueError):
        return None
