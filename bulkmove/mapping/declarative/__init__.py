"""Mapping without code: a `[routes.X.fields]` table becomes a mapper.

table.py        the table, checked and compiled once
closures.py     JMESPath expressions as closures · functions.py  its functions, for exact numbers
judging.py      what is true, equal and ordered in them
values.py       what a compiled field is, and what counts as empty
sources.py      where a value comes from · steps.py  what is done to it · conversions.py  what `as` makes of it
numbers.py      exact numbers, scales, rounding · dates.py  dates in stated forms and zones
objects.py      nested objects and lists
refusals.py     rejections that name their field

How the table is written is told in docs/fields.md; `bulkmove.config.fields` is its shape.
"""

from bulkmove.mapping.declarative.table import compile_fields

__all__ = ["compile_fields"]
