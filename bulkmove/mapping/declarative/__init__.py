"""Mapping without code: a `[routes.X.fields]` table becomes a mapper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bulkmove.errors import ConfigError
from bulkmove.mapping.resolve import ResolvedMapper
from bulkmove.settings import LookupSettings


def compile_fields(
    fields: Mapping[str, Any], *, skip_when: str | None, lookups: Mapping[str, LookupSettings]
) -> ResolvedMapper:
    """Raises ConfigError for a table that can't be compiled, naming the field."""
    raise ConfigError(f"not built yet: {fields} {skip_when} {lookups}")
