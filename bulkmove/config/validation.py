"""From a document to its models: pydantic's findings, told as a person would tell them."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bulkmove.config.credential_shapes import CredentialCommand, CredentialFile
from bulkmove.config.fields import FIELDS, TargetField
from bulkmove.config.problems import KeyPath, Problems, is_of_fields, nearest, spell_key
from bulkmove.config.schema import SECTIONS, Migration

_WHAT_IT_MUST_BE = {
    "string_type": "must be text in quotes",
    "int_type": "must be a whole number without quotes",
    "float_type": "must be a number without quotes",
    "bool_type": "must be true or false",
    "list_type": "must be a list in [brackets]",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "too_short": "must not be empty",
    "finite_number": "must be a finite number",
}
_ZONES = frozenset({"timezone", "zone", "to_zone"})
# Names such as Turkey, EET or posix/… are no names to propose.
_REGIONS = tuple(
    f"{region}/"
    for region in (
        "Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific",
    )
)  # fmt: skip


def validate(document: Mapping[str, Any], problems: Problems) -> Migration | None:
    """The document as models; None where something does not fit, each such key told to `problems`."""
    try:
        return Migration.model_validate(document)
    except ValidationError as error:
        for details in error.errors(include_url=False, include_input=False):
            _add(details, document, problems)
        return None


def validate_fields(
    fields: Mapping[str, Any], problems: Problems, *, at: KeyPath
) -> dict[str, str | TargetField] | None:
    """A table of fields that stands `at` a place of the problems' document; None where something does not fit."""
    try:
        return FIELDS.validate_python(dict(fields))
    except ValidationError as error:
        for details in error.errors(include_url=False, include_input=False):
            _add({**details, "loc": (*at, *details["loc"])}, problems.document, problems)
        return None


def _add(details: ErrorDetails, document: Mapping[str, Any], problems: Problems) -> None:
    kind, context = details["type"], details.get("ctx", {})
    key = _key_of(details, document)
    if kind == "missing":
        problems.add(key, "is missing")
    elif kind == "extra_forbidden":
        problems.add(key, _unknown_key(key))
    elif kind == "value_error":
        zones = [zone for zone in zoneinfo.available_timezones() if zone.startswith(_REGIONS)]
        zones = zones if key[-1] in _ZONES else []
        problems.add_bad_value(key, str(context["error"]), known=zones)
    elif kind == "literal_error":
        known = re.findall(r"'([^']*)'", context["expected"])
        words = [*known, "{ default = … }"] if key[-1] == "missing" else known
        problems.add_bad_value(key, f"must be {', '.join(words[:-1])} or {words[-1]}", known=known)
    elif kind in {"greater_than", "greater_than_equal"}:
        bound = f"more than {context['gt']:g}" if "gt" in context else f"at least {context['ge']:g}"
        problems.add_bad_value(key, f"must be {bound}")
    elif kind == "less_than_equal":
        problems.add_bad_value(key, f"must be at most {context['le']:g}")
    else:
        problems.add_bad_value(key, _WHAT_IT_MUST_BE.get(kind, details["msg"]))


def _key_of(details: ErrorDetails, document: Mapping[str, Any]) -> KeyPath:
    """Where in the document it is; pydantic's own marks for the branches of a union are left out."""
    key: list[str | int] = []
    at: Any = document
    for part in details["loc"]:
        is_there = part in at if isinstance(at, Mapping) else isinstance(at, list) and isinstance(part, int)
        if is_there:
            key.append(part)
            at = at[part]
    if details["type"] == "missing":
        key.append(details["loc"][-1])
    return tuple(key)


def _unknown_step(key: KeyPath, name: str) -> str:
    """A key within a field, where people forget that a nested object's fields stand in a table of their own."""
    known = [each.alias or name for name, each in TargetField.model_fields.items()]
    close = nearest(name, known)
    return (
        f"unknown key{close}"
        if close
        else (
            f"unknown key; a nested object's fields stand under `fields`: {spell_key((*key[:-1], 'fields', name))}"
        )
    )


def _unknown_key(key: KeyPath) -> str:
    name = str(key[-1])
    if "credentials" in key:
        known = (*CredentialFile.model_fields, *CredentialCommand.model_fields)
        return f"unknown key; a credential is one of {', '.join(known)}"
    if is_of_fields(key):
        return _unknown_step(key, name)
    section = str(key[0]) if len(key) == 3 else ""
    fields = next(model for at, model in SECTIONS.items() if at == section).model_fields
    known = tuple(field.alias or each for each, field in fields.items())
    for place, model in SECTIONS.items():
        if place != section and name in model.model_fields:
            return (
                f"unknown key here; it belongs {f'in [{place}.NAME]' if place else 'at the top of the file'}"
            )
    return f"unknown key{nearest(name, known) or '; known here: ' + ', '.join(known)}"
