"""Values that the parts of a migration's file have in common, as pydantic checks them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from bulkmove.config import checks
from bulkmove.config.rates import check_hours, check_rate, check_rejections

# Built when it is first asked to validate: once for the whole file, not for each of its tables.
SHAPE = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)

Filled = Annotated[str, AfterValidator(checks.check_filled)]
Count = Annotated[int, Field(ge=1)]
Canary = Annotated[int, Field(ge=0, le=1000)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Stream = Annotated[str, AfterValidator(checks.check_stream)]
Options = Annotated[dict[str, Any], AfterValidator(checks.check_json)]
Rate = Annotated[str, AfterValidator(check_rate)]
Rates = Annotated[
    list[Rate],
    BeforeValidator(
        lambda value: [value] if isinstance(value, str) else value, json_schema_input_type=str | list[str]
    ),
    Field(min_length=1),
]
Hours = Annotated[str, AfterValidator(check_hours)]
Rejections = Annotated[
    int | str,
    BeforeValidator(check_rejections, json_schema_input_type=int | str),
    Field(examples=[1000, "2%"]),
]

_FilterScalar = str | int | bool
FilterValue = Annotated[
    str, BeforeValidator(checks.filter_text, json_schema_input_type=_FilterScalar | list[_FilterScalar])
]
