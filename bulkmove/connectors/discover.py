"""Finds connectors by the name that `api = "…"` gives, among the entry points of group `bulkmove.connectors`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, EntryPoints

from bulkmove.connectors.asking import nearest
from bulkmove.errors import ConfigError
from bulkmove.installed import installed
from bulkmove.protocols import Connector

GROUP = "bulkmove.connectors"


def connectors() -> Mapping[str, Connector]:
    """All connectors by name, in the order of their names; each is imported when it is first looked at.

    A look-up raises ConfigError where the package behind the name can't be loaded.
    """
    return _Connectors(installed(GROUP))


def connector(name: str) -> Connector:
    """The connector of that name. Raises ConfigError with the nearest spelling where there is none."""
    found = connectors()
    if name not in found:
        raise ConfigError(f"there is no api {name!r}{nearest(name, found)}")
    return found[name]


class _Connectors(Mapping[str, Connector]):
    def __init__(self, points: EntryPoints) -> None:
        self._points: dict[str, list[EntryPoint]] = {}
        for point in sorted(points, key=lambda point: point.name):
            self._points.setdefault(point.name, []).append(point)
        self._loaded: dict[str, Connector] = {}

    def __getitem__(self, name: str) -> Connector:
        if name not in self._loaded:
            self._loaded[name] = _load(self._points[name])
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._points

    def __iter__(self) -> Iterator[str]:
        return iter(self._points)

    def __len__(self) -> int:
        return len(self._points)


def _load(points: list[EntryPoint]) -> Connector:
    values = {point.value for point in points}
    if len(values) > 1:
        raise ConfigError(
            f"api {points[0].name!r} is brought by several packages: {', '.join(sorted(values))}"
        )
    try:
        loaded: Connector = points[0].load()
    except Exception as error:
        # Any module may stand behind an entry point, and fail in any way while it is imported.
        raise ConfigError(f"api {points[0].name!r}: {points[0].value} can't be loaded: {error!r}") from error
    return loaded
