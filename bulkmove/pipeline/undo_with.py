"""`undo_with`: the fields that undo a created row, held against what its target documents of a change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bulkmove.connectors.asking import nearest
from bulkmove.errors import ConfigError, RejectedError
from bulkmove.exact import encode_json
from bulkmove.load.checking import body_checker
from bulkmove.load.shapes import type_at
from bulkmove.protocols import StreamSpec
from bulkmove.settings import RouteSettings


def check_undo_with(where: str, route: RouteSettings, target: StreamSpec) -> None:
    """Raises ConfigError for a field or a value that the target would refuse."""
    fields = route.undo_with or {}
    if route.mode == "delete":
        raise ConfigError(f"{where}: a route of mode delete creates nothing; leave this out")
    known = target.writable_fields - {target.id_field}
    for name in fields:
        if known and name not in known:
            raise ConfigError(f"{where}.{name}: {route.target} has no such field{nearest(name, known)}")
    check = body_checker(target, "update")
    if check is None or target.update_body is None:
        return
    sample = {name: _sample(name, value, target.update_body) for name, value in fields.items()}
    try:
        check(encode_json(sample), is_update=True)
    except RejectedError as error:
        if not str(error).endswith(": is missing"):  # what a line needs beside it, the row's own lines bring
            raise ConfigError(f"{where}: {error}") from error


def _sample(name: str, value: Any, shape: type) -> Any:
    """The value as a body would hold it: a table for each line, as a list of one line."""
    is_list = type_at(shape, f"{name}[]") is not None
    return [dict(value)] if isinstance(value, Mapping) and is_list else value
