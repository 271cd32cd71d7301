"""The shape of a `[lookups.X]` table."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

from bulkmove.config import checks
from bulkmove.config.shapes import SHAPE, Filled, FilterValue
from bulkmove.settings import Load, Match

LookupValue = Annotated[str | int | float | bool, AfterValidator(checks.check_json)]


class LookupDefault(BaseModel):
    """What a value becomes that the look-up does not resolve."""

    model_config = SHAPE

    default: LookupValue
    """The value to take."""


def _kind_of_missing(value: object) -> str | None:
    if isinstance(value, dict):
        return "<table>"
    return "<word>" if isinstance(value, str) else None


MissingRule = Annotated[
    Annotated[Literal["reject", "null"], Tag("<word>")] | Annotated[LookupDefault, Tag("<table>")],
    Discriminator(
        _kind_of_missing,
        custom_error_type="missing_rule",
        custom_error_message='must be "reject", "null" or { default = … }',
    ),
]


def _kind_of_rows(value: object) -> str | None:
    if isinstance(value, dict):
        return "<table>"
    return "<text>" if isinstance(value, str) else None


Rows = Annotated[
    Annotated[Filled, Tag("<text>")] | Annotated[dict[str, LookupValue], Tag("<table>")],
    Discriminator(
        _kind_of_rows,
        custom_error_type="rows",
        custom_error_message='must be a host\'s stream or a file in quotes, or a table as { "București" = 101 }',
    ),
]


class Lookup(BaseModel):
    """A table that values of records are looked up in, such as the ids of the target's regions by their names."""

    model_config = ConfigDict(**SHAPE, populate_by_name=True)

    source: Annotated[
        Rows,
        Field(alias="from", examples=["new.regions", "ids.csv", {"București": 101}]),
    ]
    """A host's stream, as "new.regions"; a file (.csv or .jsonl, also .gz or .zst), relative to the migration's
    directory; or the table itself, as { "București" = 101 }."""

    key: Filled = "name"
    """The field of a row, or the column of a CSV file, that values are looked for in."""

    value: Filled = "id"
    """The field of a row that they become."""

    within: Filled | None = None
    """A further field of a row that has to agree, as region_id where settlements of two regions share a name."""

    where: dict[str, FilterValue] = {}
    """The stream's own filters: only the rows that match are loaded."""

    match: Match = "exact"
    """exact: values have to be the same. normalised: case, spaces around and between words, and diacritics don't count.
    Near misses are never taken, only proposed to a person."""

    load: Load = "whole"
    """whole: read once, when a run begins. on-demand: each value is asked for when it is needed, once."""

    missing: MissingRule = "reject"
    """What becomes of a value that is not found: reject (the record), null, or { default = … }."""
