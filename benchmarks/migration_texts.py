"""The migrations that are measured, as the text of their files: the sandbox's APIs as hosts, and the routes between them."""

from __future__ import annotations

import json

# Far more than any of them comes to.
NO_LIMIT = "1000000/s"

_APIS: dict[str, tuple[str, dict[str, str]]] = {
    "old": ("merchantpro", {"key": "demo-key", "secret": "demo-secret"}),
    "new": ("external-order", {"token": "demo-token"}),
    "sizing": ("robosize", {"api_key": "demo-api-key"}),
}


def migration(name: str, *tables: str, **settings: object) -> str:
    """A whole file; its ledger is `NAME.ledger.db` beside it."""
    return "\n".join((*_lines({"name": name, **settings}), *tables))


def host(name: str, url: str, **settings: object) -> str:
    """`old`, `new` or `sizing`, with the credentials that a sandbox takes unless told otherwise."""
    api, credentials = _APIS[name]
    return _table(f"hosts.{name}", {"api": api, "url": url, "credentials": credentials, **settings})


def orders(name: str = "orders", **settings: object) -> str:
    """The route of the orders, from `old` to `new`."""
    return _table(
        f"routes.{name}",
        {
            "source": "old.orders",
            "target": "new.orders",
            "mapper": "merchantpro-to-external-order",
            "options": {"shop": 2},
            **settings,
        },
    )


def fitting() -> str:
    """The route of the orders from `old` to `sizing`, which takes one at a time."""
    return _table(
        "routes.fitting",
        {"source": "old.orders", "target": "sizing.orders", "mapper": "merchantpro-to-robosize-order"},
    )


def _table(name: str, settings: dict[str, object]) -> str:
    return "\n".join((f"[{name}]", *_lines(settings), ""))


def _lines(settings: dict[str, object]) -> list[str]:
    return [f"{key} = {_spelled(value)}" for key, value in settings.items()]


def _spelled(value: object) -> str:
    """Texts, numbers, truths and lists are written in TOML as in JSON."""
    if isinstance(value, dict):
        return "{ " + ", ".join(_lines(value)) + " }"
    return json.dumps(value)
