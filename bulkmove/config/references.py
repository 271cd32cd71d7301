"""What names something else has to name something that is there: hosts, routes, connectors."""

from __future__ import annotations

import graphlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from bulkmove.config.problems import KeyPath, Problems
from bulkmove.installed import installed

CONNECTOR_GROUP = "bulkmove.connectors"
FILE_ENDINGS = tuple(f".{kind}{packed}" for kind in ("csv", "jsonl") for packed in ("", ".gz", ".zst"))


def check_references(document: Mapping[str, Any], problems: Problems) -> None:
    """Works on whatever part of the document has the right shape, so that it finds what else is wrong."""
    hosts, routes = _table(document, "hosts"), _table(document, "routes")
    _check_names("hosts", hosts, problems)
    _check_names("routes", routes, problems)
    _check_apis(hosts, problems)
    for name, route in routes.items():
        for end in ("source", "target"):
            _check_stream(("routes", name, end), route.get(end), hosts, problems)
        _check_mapping(name, route, problems)
    _check_after(routes, problems)
    lookups = _table(document, "lookups")
    _check_names("lookups", lookups, problems)
    for name, lookup in lookups.items():
        _check_lookup(name, lookup, hosts, problems)


def _check_mapping(name: str, route: Mapping[str, Any], problems: Problems) -> None:
    if "mapper" not in route and "fields" not in route:
        problems.add(
            ("routes", name, "mapper"), f"is missing; name a mapper, or give a [routes.{name}.fields] table"
        )
    if "mapper" in route and "fields" in route:
        problems.add(("routes", name, "mapper"), "must not stand beside `fields`: one of them maps")
    if "skip_when" in route and "fields" not in route:
        problems.add(("routes", name, "skip_when"), "belongs to `fields`; a mapper skips by returning None")


def _check_lookup(name: str, lookup: Mapping[str, Any], hosts: Mapping[str, Any], problems: Problems) -> None:
    source = lookup.get("from")
    key = ("lookups", name, "from")
    is_file = isinstance(source, str) and source.endswith(FILE_ENDINGS)
    is_stream = isinstance(source, str) and source.partition(".")[0] in hosts
    if isinstance(source, str) and not is_stream and not is_file:
        known = [f"{host}.{source.partition('.')[2]}" for host in hosts]
        problems.add_bad_value(
            key, "must be a host's stream, as new.regions, or a file that ends in .csv or .jsonl", known=known
        )
    for option in ("where", "load"):
        if option in lookup and not is_stream:
            problems.add(("lookups", name, option), "belongs to a look-up from a host's stream")
    if "within" in lookup and isinstance(source, Mapping):
        problems.add(
            ("lookups", name, "within"), "needs rows with fields; this table has keys and values alone"
        )


def _table(document: Mapping[str, Any], name: str) -> dict[str, Mapping[str, Any]]:
    table = document.get(name)
    inner = table.items() if isinstance(table, Mapping) else ()
    return {key: value for key, value in inner if isinstance(value, Mapping)}


def _check_names(section: str, table: Mapping[str, Any], problems: Problems) -> None:
    for name in table:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            problems.add((section, name), "must be named with letters, digits, _ and - alone")


def _check_apis(hosts: Mapping[str, Mapping[str, Any]], problems: Problems) -> None:
    known = sorted(installed(CONNECTOR_GROUP).names)
    for name, host in hosts.items():
        api = host.get("api")
        if isinstance(api, str) and api not in known:
            listed = ", ".join(known) or f"what a package offers as {CONNECTOR_GROUP}; none is installed"
            problems.add_bad_value(("hosts", name, "api"), f"must be one of {listed}", known=known)


def _check_stream(key: KeyPath, value: object, hosts: Mapping[str, Any], problems: Problems) -> None:
    if not isinstance(value, str) or value.count(".") != 1:
        return
    host, _, stream = value.partition(".")
    if host and stream and host not in hosts:
        known = [f"{name}.{stream}" for name in hosts]
        problems.add_bad_value(
            key, f"must begin with the name of a host ({', '.join(hosts) or 'there is none'})", known=known
        )


def _check_after(routes: Mapping[str, Mapping[str, Any]], problems: Problems) -> None:
    waits: dict[str, list[str]] = {}
    for name, route in routes.items():
        waits[name] = []
        for index, other in _texts(route.get("after")):
            if other in routes:
                waits[name].append(other)
            else:
                key = ("routes", name, "after", index)
                problems.add_bad_value(
                    key, f"must be the name of a route ({', '.join(routes)})", known=routes
                )
    try:
        graphlib.TopologicalSorter(waits).prepare()
    except graphlib.CycleError as error:
        cycle: list[str] = list(reversed(error.args[1]))
        problems.add(
            ("routes", cycle[0], "after"), f"routes wait for each other in a circle: {' → '.join(cycle)}"
        )


def _texts(value: object) -> Iterator[tuple[int, str]]:
    for index, item in enumerate(value if isinstance(value, list) else ()):
        if isinstance(item, str):
            yield index, item
