"""The settings as people and programs read them: resolved, defaults marked, without a credential."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bulkmove.config.problems import KeyPath, spell_key
from bulkmove.settings import (
    HostSettings,
    LookupSettings,
    MigrationSettings,
    RejectionLimit,
    RouteSettings,
    deadlines_of,
)

# A shorter one would be found in the midst of words that hold no secret.
_SHORTEST_FOUND_WITHIN_TEXT = 6
_HIDDEN = "***"
_MIGRATION_KEYS = (
    "name",
    "ledger",
    "synchronous",
    "sweep",
    "keep_before",
    "canary",
    "mask",
    "delta_overlap_s",
    "max_rejected",
    "decisions",
)
_DEFAULTS_OF_OTHERS = {
    "max_rejected": "any number",
    "rate": "the limits that the API publishes",
    "ca_file": "none: who this machine trusts",
    "timezone": "none: a date without a zone is an error",
    "natural_key": "the connector's",
    "batch_size": "what the target takes best",
    "fields_used": "all fields, or those that the fields above read",
    "mapper": "none: the fields below map",
    "fields": "none: the mapper maps",
    "undo_with": "a created row is deleted, where its API deletes",
    "skip_when": "no record is skipped by a condition",
    "within": "nothing else has to agree",
}


def plain(settings: MigrationSettings) -> dict[str, Any]:
    """The settings as JSON, in the words and the order of the file; each credential is `***`, wherever it stands."""
    shown = {
        "name": settings.name,
        "ledger": str(settings.ledger),
        "synchronous": settings.synchronous,
        "sweep": settings.sweep,
        "keep_before": settings.keep_before,
        "canary": settings.canary,
        "mask": list(settings.mask),
        "delta_overlap_s": settings.delta_overlap_s,
        "max_rejected": _rejections(settings.max_rejected),
        "decisions": str(settings.decisions),
        "hosts": {name: _host(host) for name, host in settings.hosts.items()},
        "routes": {name: _route(route) for name, route in settings.routes.items()},
        "lookups": {name: _lookup(lookup) for name, lookup in settings.lookups.items()},
    }
    secrets = {secret.reveal() for host in settings.hosts.values() for secret in host.credentials.values()}
    hidden: dict[str, Any] = _hide(shown, sorted(secrets, key=len, reverse=True))
    return hidden


def defaults(shown: Mapping[str, Any], document: Mapping[str, Any], *, at: KeyPath = ()) -> Iterator[KeyPath]:
    """The keys of `plain` that the file (as `read_document` gives it) leaves to their defaults."""
    for name, value in shown.items():
        if name not in document:
            yield (*at, name)
        elif isinstance(value, Mapping):
            yield from defaults(value, document[name], at=(*at, name))


def as_text(shown: Mapping[str, Any], left_out: set[KeyPath]) -> str:
    """`plain` as TOML; what the file leaves out says so, and what stands for no value is a comment."""
    lines = [_line((name,), shown[name], left_out) for name in _MIGRATION_KEYS]
    for section in ("hosts", "routes", "lookups"):
        for name, table in shown[section].items():
            lines += ["", f"[{spell_key((section, name))}]"]
            is_mapping = table.get("fields") is not None
            plainly = {key: value for key, value in table.items() if not (is_mapping and key == "fields")}
            lines += [_line((section, name, key), value, left_out) for key, value in plainly.items()]
            lines += _fields((section, name, "fields"), table["fields"]) if is_mapping else ()
    return "\n".join(lines)


def _fields(at: KeyPath, fields: Mapping[str, Any]) -> Iterator[str]:
    """A mapping, its nested objects and lists in tables of their own."""
    nested = {
        name: value for name, value in fields.items() if isinstance(value, Mapping) and "fields" in value
    }
    yield from ("", f"[{spell_key(at)}]")
    for name, value in fields.items():
        if name not in nested:
            yield f"{spell_key((name,))} = {_toml(value)}"
    for name, value in nested.items():
        steps = {key: step for key, step in value.items() if key != "fields"}
        if steps:
            yield from ("", f"[{spell_key((*at, name))}]")
            yield from (f"{key} = {_toml(step)}" for key, step in steps.items())
        yield from _fields((*at, name, "fields"), value["fields"])


def _line(key: KeyPath, value: Any, left_out: set[KeyPath]) -> str:
    name = str(key[-1])
    if value is None:
        return f"# {name}: default: {_DEFAULTS_OF_OTHERS[name]}"
    return f"{name} = {_toml(value)}{'  # default' if key in left_out else ''}"


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{spell_key((name,))} = {_toml(item)}" for name, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return json.dumps(value, ensure_ascii=False)


def _host(host: HostSettings) -> dict[str, Any]:
    deadlines = deadlines_of(host)
    return {
        "api": host.api,
        "url": host.url,
        "credentials": dict.fromkeys(host.credentials, _HIDDEN),
        "rate": None if host.windows is None else [str(window) for window in host.windows],
        "rate_at": {str(entry): [str(window) for window in entry.windows] for entry in host.rate_at},
        "burst": host.burst,
        "concurrency": host.concurrency,
        "timeout_s": host.timeout_s,
        "connect_timeout_s": deadlines.connect_s,
        "first_byte_timeout_s": deadlines.first_byte_s,
        "settle_s": host.settle_s,
        "give_up_after_s": host.give_up_after_s,
        "max_response_bytes": host.max_response_bytes,
        "ca_file": None if host.ca_file is None else str(host.ca_file),
        "live": host.live,
        "timezone": host.timezone,
        "paths": dict(host.paths),
        "options": dict(host.options),
    }


def _route(route: RouteSettings) -> dict[str, Any]:
    return {
        "source": str(route.source),
        "target": str(route.target),
        "mapper": route.mapper or None,
        "fields": None if route.fields is None else dict(route.fields),
        "skip_when": route.skip_when,
        "check_bodies": route.check_bodies,
        "mode": route.mode,
        "natural_key": route.natural_key,
        "where": dict(route.where),
        "batch_size": route.batch_size,
        "fields_used": None if route.fields_used is None else list(route.fields_used),
        "confirm": route.confirm,
        "canary": route.canary,
        "max_rejected": _rejections(route.max_rejected),
        "undo_with": None if route.undo_with is None else dict(route.undo_with),
        "after": list(route.after),
        "options": dict(route.options),
    }


def _rejections(limit: RejectionLimit | None) -> int | str | None:
    return None if limit is None else str(limit) if limit.count is None else limit.count


def _lookup(lookup: LookupSettings) -> dict[str, Any]:
    source = lookup.stream or lookup.file
    return {
        "from": dict(lookup.inline) if lookup.inline is not None else str(source),
        "key": lookup.key,
        "value": lookup.value,
        "within": lookup.within,
        "where": dict(lookup.where),
        "match": lookup.match,
        "load": lookup.load,
        "missing": {"default": lookup.default} if lookup.missing == "default" else lookup.missing,
    }


def _hide(value: Any, secrets: list[str]) -> Any:
    """Whatever holds a credential by mistake, such as an option that is filled from the same variable."""
    if isinstance(value, Mapping):
        return {name: _hide(inner, secrets) for name, inner in value.items()}
    if isinstance(value, list):
        return [_hide(inner, secrets) for inner in value]
    if not isinstance(value, str):
        return value
    for secret in secrets:
        if value == secret:
            return _HIDDEN
        if len(secret) >= _SHORTEST_FOUND_WITHIN_TEXT:
            value = value.replace(secret, _HIDDEN)
    return value


def show(settings: MigrationSettings, document: Mapping[str, Any]) -> str:
    shown = plain(settings)
    return as_text(shown, set(defaults(shown, document)))


def described(settings: MigrationSettings, document: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """One JSON object: the settings, and in `defaults` the keys that the file leaves out."""
    shown = plain(settings)
    left_out = [spell_key(key) for key in defaults(shown, document)]
    return {"type": "config", "file": str(file), **shown, "defaults": left_out}
