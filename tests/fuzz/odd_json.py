"""JSON that a host should not send: valid documents with something broken in them, and bytes that are none at all.

A document is made of Python's values, and of what Python's own writers would refuse or mend: `Twice` (a name that
stands there more than once), `Text` (bytes as they are: a number of a thousand digits, NaN, half a character).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from hypothesis import strategies as st


class Text(NamedTuple):
    """What stands in the document as it is."""

    text: str


class Twice(NamedTuple):
    """An object whose pairs stand in it as they come, also where a name comes again."""

    pairs: tuple[tuple[str, Any], ...]


def written(value: Any) -> str:
    """The document's text; half characters stand in it as `\\\\ud800`."""
    if isinstance(value, Text):
        return value.text
    if isinstance(value, Twice):
        return "{" + ",".join(f"{json.dumps(name)}:{written(inner)}" for name, inner in value.pairs) + "}"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(name)}:{written(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value)


NUMBERS = (
    "NaN", "Infinity", "-Infinity", "-0", "0.1e1", "1e309", "-1e309", "1e-400", "1e999999999", "1e99999999999999999999",
    "-1E+99999999999999999999", "18446744073709551616", "-9223372036854775809", "0.12345678901234567", "58.340000000000003",
    "9" * 30, "9" * 5000, "-" + "9" * 5000, "0." + "1" * 5000, "1" * 19, "253402300800", "-62135596801", "1e18",
)  # fmt: skip
TEXTS = (
    "", " ", "\x00", "\ud800", "a\udfff", "\u202e", "\ufeff", "ă̦", "null", "NaN", "0", "-1", "007", "9" * 30, "9" * 5000, "٣",
    "²", "1e5", "95750870.3", "../..", "a/b?c#d", "%2e%2e%2f", "\r\nX: y", "\x1b]0;x\x07", "<script>", "{id}", "\\", '"', "'",
    "1970-01-01", "2024-02-30T00:00:00", "2024-01-31T22:00:00", "2024-01-31T22:00:00Z", "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59", "2024-W05-3", "20240131T220000,5+0200", "2024-01-31T22:00:00.999999999999Z", "24:00",
    "2024-03-31T03:30:00", "1706738400", "1706738400.5", "operation could not be completed", "undefined_filter",
)  # fmt: skip
NAMES = (
    "", "id", "order_id", "orderid", "rrn", "store_id", "data", "results", "meta", "count", "total", "links", "next", "error",
    "errors", "detail", "details", "reset_time", "message", "name", "0", "1", "99", "9" * 5000, "-1", "٣", "\ud800", "row",
    "date_created", "date_modified", "created_at", "createdat", "line_items", "order_items", "orderitems", "product_id", "ok",
    "__proto__", "a.b", "status",
)  # fmt: skip
DEPTHS = (10, 200, 1023, 1025, 3000)


def deep(depth: int, opening: str) -> Text:
    ends = {"[": ("[", "1", "]"), "{": ('{"a":', "1", "}")}[opening]
    return Text(ends[0] * depth + ends[1] + ends[2] * depth)


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=()), max_size=20),
    st.sampled_from(TEXTS),
    st.sampled_from(NUMBERS).map(Text),
)
ODD_NAMES = st.one_of(st.sampled_from(NAMES), st.text(max_size=5))
ODD = st.one_of(
    st.recursive(
        LEAVES,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(ODD_NAMES, inner, max_size=4),
            st.lists(st.tuples(ODD_NAMES, inner), max_size=4).map(lambda pairs: Twice(tuple(pairs))),
        ),
        max_leaves=8,
    ),
    st.builds(deep, st.sampled_from(DEPTHS), st.sampled_from("[{")),
)

Place = tuple[str | int, ...]


def places(value: Any, at: Place = ()) -> list[Place]:
    """Every place of a document, the whole of it first."""
    inner: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [at, *(place for name, each in inner for place in places(each, (*at, name)))]


def replaced(value: Any, at: Place, new: Any) -> Any:
    """The document with something else in one place."""
    if not at:
        return new
    name, *rest = at
    if isinstance(value, dict):
        return {**value, name: replaced(value[name], tuple(rest), new)}
    return [replaced(each, tuple(rest), new) if i == name else each for i, each in enumerate(value)]


def without(value: Any, at: Place) -> Any:
    *outer, last = at
    if isinstance(value, dict) and not outer:
        return {name: inner for name, inner in value.items() if name != last}
    if isinstance(value, list) and not outer:
        return [inner for i, inner in enumerate(value) if i != last]
    step = at[0]
    inner = value[step]
    return replaced(value, (step,), without(inner, at[1:]))


def doubled(value: Any, at: Place, new: Any) -> Any:
    """The document with a name that comes again, or an entry."""
    outer, last = at[:-1], at[-1]
    inner = value
    for step in outer:
        inner = inner[step]
    if isinstance(inner, dict):
        return replaced(value, outer, Twice((*inner.items(), (str(last), new))))
    return replaced(value, outer, [*inner, new])


@st.composite
def spoiled(draw: st.DrawFn, document: Any) -> Any:
    """A document with one to three things broken in it."""
    for _ in range(draw(st.integers(1, 3))):
        found = places(document)
        at = draw(st.sampled_from(found))
        match draw(st.sampled_from(("replaced", "replaced", "without", "doubled"))) if at else "replaced":
            case "replaced":
                document = replaced(document, at, draw(ODD))
            case "without":
                document = without(document, at)
            case _:
                document = doubled(document, at, draw(ODD))
                break  # what comes twice can't be walked into
    return document


HTML = b"<!DOCTYPE html><html><head><title>502</title></head><body>nginx</body></html>"


@st.composite
def bytes_of(draw: st.DrawFn, document: Any) -> bytes:
    """What a host may send in place of a document: spoiled, cut, scrambled, or something else."""
    text = written(draw(spoiled(document))) if draw(st.integers(0, 9)) else written(document)
    body = text.encode("utf-8", "surrogatepass")
    match draw(st.integers(0, 11)):
        case 0:
            return body[: draw(st.integers(0, len(body)))]
        case 1:
            at = draw(st.integers(0, len(body)))
            return body[:at] + draw(st.binary(max_size=8)) + body[at + draw(st.integers(0, 3)) :]
        case 2:
            return draw(st.sampled_from((b"\xef\xbb\xbf", b"\n", b"\xff\xfe", b")]}',\n"))) + body
        case 3:
            return body + draw(st.sampled_from((b"\n\n", body, b"\x00", b"}", b"]", HTML)))
        case 4:
            return draw(
                st.one_of(st.binary(max_size=200), st.sampled_from((b"", b" ", HTML, b"\x1f\x8b", b"null")))
            )
        case _:
            return body
