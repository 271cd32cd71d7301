"""What `bulkmove config schema` teaches an editor: the JSON Schema of `migration.toml`, in TOML's terms."""

from __future__ import annotations

from typing import Any

from bulkmove.config.credential_shapes import CredentialCommand, CredentialFile
from bulkmove.config.descriptions import described
from bulkmove.config.fields import TargetField
from bulkmove.config.lookup_tables import Lookup, LookupDefault
from bulkmove.config.schema import Host, Migration, Route

_MODELS = (CredentialFile, CredentialCommand, TargetField, LookupDefault, Lookup, Host, Route, Migration)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the file, for editors."""
    schema: dict[str, Any] = _for_toml(described(Migration.model_json_schema(), _MODELS))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _for_toml(schema: Any) -> Any:
    """TOML has no null: a key that can be left out is left out. Titles only repeat the keys."""
    if isinstance(schema, list):
        return [_for_toml(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        name: _for_toml(inner)
        for name, inner in schema.items()
        if not (name == "title" and isinstance(inner, str)) and not (name == "default" and inner is None)
    }
    if isinstance(kept.get("description"), str):
        kept["description"] = " ".join(kept["description"].split())
    branches = [branch for branch in kept.pop("anyOf", ()) if branch != {"type": "null"}]
    if len(branches) == 1:
        return {**kept, **branches[0]}
    return {**kept, "anyOf": branches} if branches else kept
