"""A product of the sizing service Robosize is linked to its number in the shop that was moved to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from bulkmove.errors import ConfigError, RejectRecordError
from bulkmove.mapping.builtin.attributes import builtin_mapper
from bulkmove.mapping.builtin.new_ids import IDS_OPTIONS, NewId, ids_source
from bulkmove.mapping.builtin.options import Plans, as_text, check_spelling, choice_option
from bulkmove.model import JsonObject
from bulkmove.protocols import MapContext

_OPTIONS = ("set", "missing", *IDS_OPTIONS)

# Fields that a PATCH may set beside store_id (documented).
SETTABLE = ("name", "tags", "image_url", "type")


@dataclass(frozen=True, slots=True)
class _Plan:
    new_id: NewId
    constants: JsonObject
    rejects_missing: bool


def _plan_of(options: Mapping[str, Any]) -> _Plan:
    check_spelling(options, _OPTIONS)
    new_id = ids_source(options)
    if new_id is None:
        raise ConfigError(
            'options.ids is missing: a CSV file of old and new numbers, as in options = { ids = "ids.csv" }; '
            "or options.ids_from, a route"
        )
    return _Plan(
        new_id=new_id,
        constants=_constants(options.get("set", {})),
        rejects_missing=choice_option(options, "missing", ("skip", "reject")) == "reject",
    )


def _constants(value: Any) -> JsonObject:
    if not isinstance(value, Mapping):
        raise ConfigError(f'options.set = {value!r}: must be a table like {{ type = "top" }}')
    for name in value:
        if name not in SETTABLE:
            close = get_close_matches(name, SETTABLE, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(SETTABLE)}"
            raise ConfigError(f"options.set: {name!r} is no field that a product's change can set; {hint}")
    return dict(value)


_PLANS = Plans(_plan_of)


def check_options(options: Mapping[str, Any]) -> None:
    """Raises ConfigError where neither `ids` nor `ids_from` is set, or an option can't be worked with."""
    _plan_of(options)


@builtin_mapper(check_options=check_options, tables=("ids",))
def relink_product(record: JsonObject, context: MapContext) -> JsonObject | None:
    """`{id, store_id}` with the new number, and the constants of `options.set`; all other fields stay as they are.

    A product without a new number is skipped, or rejected with `options.missing = "reject"`.
    """
    plan = _PLANS.of(context.options)
    product_id = record.get("id")
    if as_text(product_id) is None:
        raise RejectRecordError("the product has no id", cause="no-id")
    old = as_text(record.get("store_id"))
    new = plan.new_id(context, old) if old is not None else None
    if not new:
        if plan.rejects_missing:
            said = "no store_id" if old is None else f"store_id {old}, which has no new number"
            raise RejectRecordError(f"the product has {said}", cause="no-new-id")
        return None
    return {"id": product_id, "store_id": new, **plan.constants}
