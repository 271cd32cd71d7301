"""What all connectors ask of the user's settings: known names, paths, and options with a choice of values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from urllib.parse import quote

from bulkmove.errors import ConfigError
from bulkmove.model import Operation, Parameter
from bulkmove.settings import HostSettings, RouteSettings, Secret


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or which names there are: the end of a message about a name that is not known."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there are {', '.join(names)}" if names else ""


def known_stream(api: str, stream: str, known: Iterable[str]) -> None:
    """Raises ConfigError for a stream that the API has not."""
    names = tuple(known)
    if stream not in names:
        raise ConfigError(f"{api} has no stream {stream!r}{nearest(stream, names)}")


def known_filters(
    route: RouteSettings, known: frozenset[str], operation: Operation | None = None
) -> Mapping[str, str]:
    """The route's filters as text.

    Raises ConfigError for one that the list does not have, and for a value that is none of those documented for it
    by `operation`: a host would answer with an empty list, which looks like success.
    """
    for name in route.where:
        if name not in known:
            end = nearest(name, known) if known else ", which takes no filters at all"
            raise ConfigError(f"routes.{route.name}.where: {name!r} is no filter of {route.source}{end}")
    for parameter in operation.parameters if operation is not None else ():
        problem = problem_of(parameter, str(route.where.get(parameter.name, "")))
        if parameter.name in route.where and problem:
            raise ConfigError(f"routes.{route.name}.where.{parameter.name} = {problem}")
    return {name: str(value) for name, value in route.where.items()}


def problem_of(parameter: Parameter, value: str) -> str | None:
    """What is wrong with a parameter's value; of a query, several with commas may be given."""
    if not parameter.choices:
        return None
    parts = [value] if parameter.is_in_path else value.split(",")
    wrong = next((part for part in parts if part.strip() not in parameter.choices), None)
    if wrong is None:
        return None
    end = nearest(wrong, parameter.choices)
    listed = "" if end.startswith("; there are") else f" of {', '.join(parameter.choices)}"
    return f"{wrong!r} is none{listed}{end}"


def paths_of(host: HostSettings, defaults: Mapping[str, str]) -> Mapping[str, str]:
    """The connector's paths, with those that the user set. Raises ConfigError for a name that is none of them."""
    for name, path in host.paths.items():
        if name not in defaults:
            raise ConfigError(
                f"hosts.{host.name}.paths: {name!r} is no path of {host.api}{nearest(name, defaults)}"
            )
        wanted, given = (set(re.findall(r"\{\w+\}", text)) for text in (defaults[name], path))
        if wanted != given:
            need = f"needs {', '.join(sorted(wanted - given))}" if wanted - given else ""
            spare = f"has no place for {', '.join(sorted(given - wanted))}" if given - wanted else ""
            raise ConfigError(
                f"hosts.{host.name}.paths.{name}: the path {' and '.join(filter(None, (need, spare)))}, "
                f"as in {defaults[name]}"
            )
    return {**defaults, **host.paths}


def path_with_id(path: str, row_id: str) -> str:
    """The path of one row. Raises ValueError for an id that would name another path."""
    if row_id in {"", ".", ".."}:
        raise ValueError(row_id)
    return path.replace("{id}", quote(row_id, safe=""))


def choice(host: HostSettings, route: RouteSettings, *, name: str, allowed: tuple[str, ...]) -> str:
    """An option of the route, else of the host, else the first allowed. Raises ConfigError for another value."""
    value = route.options.get(name, host.options.get(name, allowed[0]))
    if value not in allowed:
        raise ConfigError(
            f"routes.{route.name}: option {name} = {value!r} is none of {', '.join(allowed)}"
            f"{nearest(str(value), allowed)}"
        )
    return str(value)


def revealed(credentials: Mapping[str, Secret], name: str, *, api: str) -> str:
    """One credential in the clear. Raises ConfigError where it is missing or empty."""
    secret = credentials.get(name)
    value = secret.reveal() if secret is not None else ""
    if not value:
        raise ConfigError(f"a host with api = {api!r} needs credentials.{name}")
    return value
