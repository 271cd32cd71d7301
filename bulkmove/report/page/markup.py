"""HTML out of nested calls: every text is escaped, unless it is Markup already."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import TypeAlias

_EMPTY = frozenset({"br", "meta", "link", "hr", "col"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child: TypeAlias = "str | Markup | Iterable[Child] | None"


def tag(name: str, /, *children: Child, **attributes: str | int | bool | None) -> Markup:
    """An element. `class_` is written `class`, `data_label` is written `data-label`; None and False are left out."""
    shown = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _EMPTY:
        return Markup(f"<{name}{shown}>")
    return Markup(f"<{name}{shown}>{joined(children)}</{name}>")


def joined(children: Child) -> Markup:
    """Children one after the other."""
    if children is None:
        return Markup()
    if isinstance(children, Markup):
        return children
    if isinstance(children, str):
        return Markup(html.escape(_printable(children)))
    return Markup("".join(joined(child) for child in children))


def _attribute(key: str, value: str | int | bool | None) -> str:  # noqa: FBT001  HTML has attributes without a value
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    return f' {name}="{html.escape(_printable(str(value)))}"'


def _printable(text: str) -> str:
    """Without what HTML has no place for: control characters, and halves of pairs, which UTF-8 can't hold."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}"
        if (sign < " " and sign not in "\n\t") or "\x7f" <= sign < "\xa0" or "\ud800" <= sign <= "\udfff"
        else sign
        for sign in text
    )
