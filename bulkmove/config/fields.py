"""The shape of a `[routes.X.fields]` table. Its descriptions are what an editor shows beside each key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    model_validator,
)

from bulkmove.config import checks, field_checks
from bulkmove.config.problems import KeyPath

_SHAPE = ConfigDict(
    strict=True,
    extra="forbid",
    frozen=True,
    hide_input_in_errors=True,
    defer_build=True,
    json_schema_extra={
        "oneOf": [
            {"required": ["path"]},
            {"required": ["value"]},
            {"required": ["first"]},
            {"required": ["template"]},
            {"required": ["pick"]},
            {"required": ["each"]},
            {"required": ["fields"], "not": {"required": ["each"]}},
        ]
    },
)

SOURCES = ("path", "value", "first", "template", "pick", "each", "fields")
# Keys that only mean something beside another one: that key, and the values that it may have (None: any).
_BELONGS: dict[str, tuple[str, tuple[str, ...] | None]] = {
    "item": ("each", None),
    "where": ("each", None),
    "within": ("lookup", None),
    "scale": ("as", ("integer", "number")),
    "decimals": ("as", ("number",)),
    "rounding": ("as", ("integer", "number")),
    "zone": ("as", ("date",)),
    "to_zone": ("as", ("date",)),
    "input": ("as", ("date",)),
    "format": ("as", ("date",)),
    "trim": ("as", ("text",)),
    "case": ("as", ("text",)),
    "namespace": ("as", ("uuid5",)),
}
# What is made of an object or a list is no single value that these could be done to.
_OF_SINGLE_VALUES = ("table", "otherwise", "lookup", "default", "as")


Path = Annotated[str, AfterValidator(field_checks.check_path)]
Filled = Annotated[str, AfterValidator(checks.check_filled)]
Zone = Annotated[str, AfterValidator(checks.check_timezone)]
DateForm = Annotated[str, AfterValidator(field_checks.check_date_form)]
Constant = Annotated[Any, AfterValidator(checks.check_json)]
Scalar = Annotated[str | int | float | bool, BeforeValidator(field_checks.check_scalar)]
As = Literal["text", "integer", "number", "boolean", "date", "uuid5"]
Rounding = Literal["exact", "half-even", "half-up", "down", "up"]


def _kind_of_field(value: object) -> str | None:
    if isinstance(value, dict | TargetField):
        return "<table>"
    return "<path>" if isinstance(value, str) else None


class TargetField(BaseModel):
    """A field of the target: one source (path, value, first, template, pick, fields or each), and what is done to it."""

    model_config = _SHAPE

    path: Annotated[Path | None, Field(examples=["id", "customer.name", "root.shipping_status"])] = None
    """Source: a JMESPath expression. Within `each` it starts at the element; `root.` reaches the record."""

    value: Constant = None
    """Source: a constant: text, a number, true, false, a list or a table."""

    first: Annotated[list[FieldValue] | None, Field(min_length=1)] = None
    """Source: the first of these that is not empty. One that a look-up or a conversion fails for is passed over; the
    last one decides."""

    template: Annotated[str, AfterValidator(field_checks.check_template)] | None = None
    """Source: text with {expressions} in it, as "old-{id}"; {{ and }} are braces. Empty where one of them is."""

    pick: Annotated[list[Filled] | None, Field(min_length=1, examples=[["id", "line_items"]])] = None
    """Source: an object of these fields of the record (or element), exactly as they came; what is absent stays absent."""

    each: Annotated[Path | None, Field(examples=["line_items"])] = None
    """Source: a list. Each of its elements becomes an object, as `fields` says, or a value, as `item` says."""

    fields: Annotated[dict[str, FieldValue] | None, Field(min_length=1)] = None
    """Source: an object made of these fields; with `each`, what each element becomes."""

    item: FieldValue | None = None
    """With `each`: what each element becomes, where that is a single value."""

    where: Path | None = None
    """With `each`: a condition on the element; the others are left out."""

    when: Path | None = None
    """A condition. Where it does not hold, the field is left out, or becomes `otherwise`."""

    table: Annotated[
        dict[str, Scalar] | None,
        Field(min_length=1, examples=[{"delivered/paid": "done"}]),
    ] = None
    """What each value becomes. One that is not in it becomes `otherwise`; without that the record is rejected."""

    otherwise: Constant = None
    """What takes the value's place where `when` does not hold, or `table` lacks it. The steps after `table` follow."""

    lookup: Filled | None = None
    """The look-up, [lookups.NAME], in which the value is replaced by what is found for it."""

    within: FieldValue | None = None
    """With `lookup`: the outer value, such as the id of a settlement's region."""

    default: Constant = None
    """What takes the place of an empty value."""

    as_: Annotated[As | None, Field(alias="as")] = None
    """text, integer, number, boolean, date or uuid5 (of the value's text, in `namespace`). What can't be turned into it
    without losing something rejects the record."""

    trim: bool = False
    """With as = "text": spaces at both ends are taken away."""

    case: Literal["lower", "upper"] | None = None
    """With as = "text": all letters become small or capital."""

    scale: Annotated[int | float, BeforeValidator(field_checks.check_factor)] | None = None
    """With as = "integer" or "number": the factor by which it is multiplied, exactly: 1000 for thousandths."""

    decimals: Annotated[int | None, Field(ge=0, le=field_checks.MOST_DIGITS)] = None
    """With as = "number": how many digits stand after the point."""

    rounding: Rounding = "exact"
    """exact: what does not fit rejects the record. half-even, half-up, down (towards zero), up (away from zero): how it
    is made to fit."""

    zone: Zone | None = None
    """With as = "date": the time zone of dates that name none, as Europe/Bucharest. Without it they are rejected."""

    to_zone: Zone | None = None
    """With as = "date": the time zone in which it is written. Default: its own."""

    input: DateForm = "iso"
    """With as = "date": how the source writes it: iso, epoch (seconds), or a pattern such as %d.%m.%Y %H:%M."""

    format: DateForm = "iso"
    """With as = "date": how the target wants it: iso, epoch (whole seconds), or a pattern such as %Y-%m-%d."""

    namespace: Annotated[str, AfterValidator(field_checks.check_namespace)] | None = None
    """With as = "uuid5": the UUID in which names are made, so that the same text becomes the same UUID for ever."""

    required: Annotated[bool | Literal["skip"], BeforeValidator(field_checks.check_required)] = False
    """true: where it is empty, the record is rejected. "skip": the record is skipped on purpose."""

    null: bool = False
    """Where it is empty, null is written; otherwise the field is left out."""

    @property
    def source(self) -> str:
        return next(name for name in SOURCES if name in self.model_fields_set)

    @property
    def steps(self) -> frozenset[str]:
        """The keys that are set, as they are spelled in the file."""
        return frozenset("as" if name == "as_" else name for name in self.model_fields_set)

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = [name for name in SOURCES if name in self.steps]
        if not given:
            raise ValueError(f"must say what it is made of: one of {', '.join(SOURCES)}")
        if len(given) > 1 and given != ["each", "fields"]:
            raise ValueError(f"must have one source, not {' and '.join(given)}")
        if given[0] == "each" and ("fields" in given) == ("item" in self.steps):
            raise ValueError("must say what each element becomes: by one of `fields` and `item`")
        self._check_steps(given[0])
        for name, inner in (*(("first", choice) for choice in self.first or ()), ("within", self.within)):
            if isinstance(inner, TargetField) and {"required", "null"} & inner.steps:
                raise ValueError(
                    f"must not have `required` or `null` within `{name}`; they are the field's own"
                )
        return self

    def _check_steps(self, source: str) -> None:
        for name, (other, values) in _BELONGS.items():
            if name in self.steps and (other not in self.steps or (values and self.as_ not in values)):
                whom = " or ".join(f'{other} = "{value}"' for value in values) if values else f"`{other}`"
                raise ValueError(f"must not have `{name}` without {whom}, which it belongs to")
        if source in {"each", "fields", "pick"}:
            for name in _OF_SINGLE_VALUES:
                if name in self.steps:
                    raise ValueError(
                        f"must not have `{name}` beside `{source}`: it is done to a single value"
                    )
        if "otherwise" in self.steps and not {"when", "table"} & self.steps:
            raise ValueError("must not have `otherwise` without `when` or `table`, which it belongs to")
        if self.as_ == "uuid5" and self.namespace is None:
            raise ValueError('must have a `namespace` with as = "uuid5": a UUID of your own')
        if self.as_ == "number" and "rounding" in self.steps and self.decimals is None:
            raise ValueError("must say `decimals`, to which `rounding` rounds")
        if self.required and self.null:
            raise ValueError("must not have both `required` and `null`")


FieldValue = Annotated[
    Annotated[Path, Tag("<path>")] | Annotated[TargetField, Tag("<table>")],
    Discriminator(
        _kind_of_field,
        custom_error_type="field",
        custom_error_message='must be a path in quotes or a table, as { path = "…" } or { value = 2 }',
    ),
]
Fields = Annotated[dict[str, FieldValue], Field(min_length=1)]
FIELDS: TypeAdapter[dict[str, str | TargetField]] = TypeAdapter(Fields, config=ConfigDict(defer_build=True))


def as_written(value: Any) -> Any:
    """A table of fields as the file has it, with nothing that it leaves to a default."""
    if isinstance(value, TargetField):
        return value.model_dump(by_alias=True, exclude_unset=True)
    return {name: as_written(inner) for name, inner in value.items()} if isinstance(value, dict) else value


class NamedLookup(NamedTuple):
    """A look-up that a field names at `key`, with or without a `within`."""

    key: KeyPath
    name: str
    has_within: bool


def named_lookups(table: object, *, at: KeyPath) -> Iterator[NamedLookup]:
    """The look-ups of a table of fields; works on whatever part of it has the right shape."""
    for name, value in table.items() if isinstance(table, Mapping) else ():
        yield from _lookups_of(value, at=(*at, name))


def _lookups_of(field: object, *, at: KeyPath) -> Iterator[NamedLookup]:
    if not isinstance(field, Mapping):
        return
    if isinstance(name := field.get("lookup"), str):
        yield NamedLookup((*at, "lookup"), name, "within" in field)
    yield from named_lookups(field.get("fields"), at=(*at, "fields"))
    for key in ("item", "within"):
        yield from _lookups_of(field.get(key), at=(*at, key))
    choices = field.get("first")
    for place, choice in enumerate(choices if isinstance(choices, list) else ()):
        yield from _lookups_of(choice, at=(*at, "first", place))
