"""A run's progress as lines, for logs: at a route's start and end, at notes, and every 30 seconds between."""

from __future__ import annotations

from typing import Any, TextIO

import orjson

from bulkmove.events import Event, HostSample, Note, Phase, RouteFinished, RouteStarted
from bulkmove.report import amounts
from bulkmove.report.logged import Level, entry
from bulkmove.report.standing import RouteStanding, Standing

EVERY_S = 30.0


class Due:
    """Says when the next lines are due.

    Hosts are sampled about twice a second for as long as a run goes: their events are the clock, so that
    no thread and no task is needed, and all other events cost next to nothing.
    """

    def __init__(self, standing: Standing) -> None:
        self._clock = standing.clock
        self._at = standing.clock() + EVERY_S

    def is_now(self) -> bool:
        now = self._clock()
        if now < self._at:
            return False
        self._at = now + EVERY_S
        return True


class TextLines:
    """An Observer that writes lines for people, each after the time since the run began."""

    def __init__(self, standing: Standing, stream: TextIO) -> None:
        self._standing = standing
        self._stream = stream
        self._due = Due(standing)

    def on_event(self, event: Event) -> None:
        self._standing.on_event(event)
        match event:
            case HostSample():
                if self._due.is_now():
                    self._write_all()
            case RouteStarted(route=route, counts=counts, expected=expected):
                said = f"goes on, {amounts.count(counts.read)} read before" if counts.read else "starts"
                total = "" if expected is None else f", {amounts.of_records(expected)} expected"
                self._write(f"{route}: {said}{total}")
            case RouteFinished(route=route, is_complete=is_complete):
                said = "finished" if is_complete else "ended, not finished"
                self._write(f"{route}: {said}: {self._so_far(self._standing.routes[route])}")
            case Phase(route=route, text=text) if text:
                self._write(f"{route}: {text}")
            case Note(text=text):
                self._write(f"note: {text}")

    def _write_all(self) -> None:
        now = self._standing.clock()
        for route in self._standing.routes.values():
            if not route.ended:
                route.mark(now)
                left = "" if route.left_s is None else f", about {amounts.duration(route.left_s)} left"
                self._write(
                    f"{route.name}: {self._so_far(route)}, {amounts.rate(route.rate_per_s)} records/s{left}"
                )
        for host in self._standing.hosts.values():
            if host.paused_s > 0:
                self._write(
                    f"host {host.host}: {amounts.pause(host.paused_s, host.reason, said='paused for')}"
                )

    def _so_far(self, route: RouteStanding) -> str:
        return _so_far(route, written=self._standing.written)

    def _write(self, text: str) -> None:
        self._stream.write(f"[{amounts.duration(int(self._standing.elapsed_s))}] {text}\n")
        self._stream.flush()


def _so_far(route: RouteStanding, *, written: str) -> str:
    is_over = route.expected is None or route.ended
    total = "" if is_over else f" of {amounts.count(route.expected or 0)}"
    parts = [
        f"{amounts.count(route.read)}{total} read",
        f"{amounts.count(route.outcomes['written'])} {written}",
    ]
    parts += [
        f"{amounts.count(route.outcomes[name])} {name}"
        for name in ("unchanged", "skipped")
        if route.outcomes[name]
    ]
    return ", ".join((*parts, f"{amounts.count(route.failed)} failed"))


class JsonLines:
    """An Observer that writes one JSON object a line, each with its `time`, `level` and `event` (see `logged.py`)."""

    def __init__(self, standing: Standing, stream: TextIO) -> None:
        self._standing = standing
        self._stream = stream
        self._due = Due(standing)

    def on_event(self, event: Event) -> None:
        self._standing.on_event(event)
        match event:
            case HostSample():
                if self._due.is_now():
                    self._write_all()
            case RouteStarted(route=route):
                self._write_route("route-started", self._standing.routes[route])
            case RouteFinished(route=route, is_complete=is_complete):
                self._write_route("route-finished", self._standing.routes[route], is_complete=is_complete)
            case Phase(route=route, text=text) if text:
                self._write("phase", route=route, text=text)
            case Note(text=text, route=name):
                self._write("note", "warning", route=name, text=text)

    def _write_all(self) -> None:
        now = self._standing.clock()
        for route in self._standing.routes.values():
            if not route.ended:
                route.mark(now)
                left_s = None if route.left_s is None else round(route.left_s)
                self._write_route("progress", route, per_s=round(route.rate_per_s, 2), left_s=left_s)
        for host in self._standing.hosts.values():
            self._write(
                "host",
                host=host.host,
                requests=host.requests,
                used_per_s=round(host.used_per_s, 2),
                allowed_per_s=host.allowed_per_s,
                in_flight=host.in_flight,
                paused_s=round(host.paused_s, 1),
                reason=host.reason,
            )

    def _write_route(self, kind: str, route: RouteStanding, **more: Any) -> None:
        dry = {"is_dry": True} if self._standing.is_dry else {}
        self._write(
            kind,
            route=route.name,
            read=route.read,
            expected=route.expected,
            **route.outcomes,
            **dry,
            **more,
        )

    def _write(self, event: str, level: Level = "info", /, **values: Any) -> None:
        line = entry(event, level, elapsed_s=round(self._standing.elapsed_s, 1), **values)
        self._stream.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE).decode())
        self._stream.flush()
