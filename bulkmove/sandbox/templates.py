"""Orders encoded once a base and a choice of fields, so that an answer only puts ids and dates in."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import orjson

from bulkmove.sandbox import generate
from bulkmove.sandbox.calls import Json

# 2,048 bases of 3 KB are 6 MB a shape: clients use a handful of shapes.
_MOST_SHAPES = 24

_MARKS = (
    (generate.ID, b"%(id)b", True),
    (generate.ID_TEXT, b"%(text)b", False),
    (generate.CREATED, b'"%(created)b"', True),
    (generate.MODIFIED, b'"%(modified)b"', True),
    (generate.RELATED, b"%(related)b", True),
)


@dataclass(frozen=True, slots=True)
class Shape:
    """Which fields of an order go into an answer. `fields` None means all that come by themselves."""

    fields: frozenset[str] | None = None
    line_items: bool = True
    tags: bool = True

    def of(self, order: Json) -> Json:
        """The order's fields in this shape: id always comes, tags that were not asked for are null.

        `fields` chooses among those that come by themselves; line items and tags that were included come on top.
        """
        chosen = {}
        for name, value in order.items():
            if name == "line_items":
                if self.line_items:
                    chosen[name] = value
            elif name == "tags" and self.tags:
                chosen[name] = value
            elif name == "id" or self.fields is None or name in self.fields:
                chosen[name] = None if name == "tags" else value
        return chosen


WHOLE = Shape()


class TemplatePool:
    """The bases in every shape that was asked for, the least used shapes forgotten."""

    def __init__(self, bases: list[generate.OrderBase]) -> None:
        self.bases = bases
        self._shapes: OrderedDict[Shape, list[bytes]] = OrderedDict()

    def shaped(self, shape: Shape) -> list[bytes]:
        """A template a base, for `template % {b"id": …, b"text": …, b"created": …, b"modified": …, b"related": …}`."""
        templates = self._shapes.get(shape)
        if templates is None:
            templates = self._shapes[shape] = [_template(shape.of(base.order)) for base in self.bases]
            if len(self._shapes) > _MOST_SHAPES:
                self._shapes.popitem(last=False)
        else:
            self._shapes.move_to_end(shape)
        return templates


def _template(order: Json) -> bytes:
    text = orjson.dumps(order).replace(b"%", b"%%")
    for mark, place, is_whole_value in _MARKS:
        sought = f'"{mark}"' if is_whole_value else mark
        text = text.replace(sought.encode(), place)
    return text
