"""A run heeds what people ask of it from other terminals, and its hosts' timetables; about twice a second."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import anyio

from bulkmove import clock
from bulkmove.config.rates import parse_window
from bulkmove.connectors.discover import connector
from bulkmove.events import Event, Note
from bulkmove.ledger import SqliteLedger, control
from bulkmove.ledger.control import Asked
from bulkmove.model import JsonObject
from bulkmove.pipeline.opening import default_windows
from bulkmove.settings import HostSettings, Window
from bulkmove.transport import HostTransport
from bulkmove.transport.steering import Steering
from bulkmove.transport.timetable import daily_rate

LOOK_EVERY_S = 0.5
DEFAULT = "default"


async def heed_control(
    ledger: SqliteLedger,
    transports: Mapping[str, HostTransport],
    *,
    emit: Callable[[Event], None],
    stop: anyio.Event,
) -> None:
    """Until cancelled. When `stop` is set, those who wait for a host that is paused by hand are sent away."""
    heeding = _Heeding(ledger, transports, emit, stop)
    if await ledger.look(control.waiting):
        await ledger.change(control.forget_stale)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(heeding.leave_at_stop, name="leave paused hosts")
        while True:
            await heeding.look()
            await anyio.sleep(LOOK_EVERY_S)


class _Heeding:
    def __init__(
        self,
        ledger: SqliteLedger,
        transports: Mapping[str, HostTransport],
        emit: Callable[[Event], None],
        stop: anyio.Event,
    ) -> None:
        self._ledger = ledger
        self._hosts = transports
        self._emit = emit
        self._stop = stop
        # Hosts that are directories of this machine get no requests, and there is nothing to steer.
        self._steered: dict[str, Steering] = {
            name: host.steering for name, host in transports.items() if host.steering is not None
        }
        self._windows = {name: steering.windows for name, steering in self._steered.items()}

    async def leave_at_stop(self) -> None:
        await self._stop.wait()
        for steering in self._steered.values():
            steering.leave()

    async def look(self) -> None:
        for asked in await self._ledger.look(control.waiting):
            answer = self._answer(asked)
            await self._ledger.change(partial(control.take, asked=asked, run=self._ledger.run, answer=answer))
        for name, steering in self._steered.items():
            await self._follow_timetable(name, steering)

    def _answer(self, asked: Asked) -> JsonObject:
        """Do what was asked, and say what holds now; or why it was not done."""
        if asked.host is not None and asked.host not in self._steered:
            return {"error": self._refusal(asked.host)}
        if self._stop.is_set():
            return {"error": "the run is ending: nothing was changed"}
        names = [asked.host] if asked.host is not None else list(self._steered)
        if not names:
            return {"error": "this run sends nothing to any host"}
        return {"hosts": {name: self._do(asked, name, self._steered[name]) for name in names}}

    def _refusal(self, host: str) -> str:
        if host in self._hosts:
            return f"host {host} is a directory of this machine: it gets no requests"
        used = ", ".join(self._steered) or "none"
        return f"host {host} takes no part in the run that is going; its hosts: {used}"

    def _do(self, asked: Asked, name: str, steering: Steering) -> JsonObject:
        match asked.verb:
            case "pause":
                if not steering.is_paused:
                    self._tell(name, "paused by hand")
                steering.pause()
                return {"in_flight": steering.in_flight}
            case "resume":
                was_paused = steering.resume()
                if was_paused:
                    self._tell(name, "goes on, resumed by hand")
                return {"was_paused": was_paused}
            case _:
                self._set(asked, steering)
                self._windows[name] = steering.windows
                now = _limits(steering)
                self._tell(name, f"set by hand: {told(now)}")
                return now

    def _set(self, asked: Asked, steering: Steering) -> None:
        if (rate := asked.settings.get("rate")) is not None:
            windows = [parse_window(str(each)) for each in rate] if isinstance(rate, list) else None
            steering.set_windows(windows)
        if (concurrency := asked.settings.get("concurrency")) is not None:
            steering.set_concurrency(concurrency if isinstance(concurrency, int) else None)

    async def _follow_timetable(self, name: str, steering: Steering) -> None:
        """A request may have followed it first: what holds now is held against what was told last."""
        steering.follow_timetable()
        if steering.windows == self._windows[name]:
            return
        self._windows[name] = steering.windows
        entry = daily_rate(self._hosts[name].host, clock.now())
        why = f"rate_at, {entry}" if entry is not None else "the time of rate_at is over"
        self._tell(name, f"{spelled(steering.windows)} from now on ({why})")
        answer: JsonObject = {"hosts": {name: _limits(steering)}}
        await self._ledger.change(
            partial(control.note, verb="rate-at", run=self._ledger.run, host=name, answer=answer)
        )

    def _tell(self, host: str, text: str) -> None:
        self._emit(Note(f"host {host}: {text}"))


def _limits(steering: Steering) -> JsonObject:
    rates = [str(window) for window in steering.windows]
    return {"rate": list(rates), "concurrency": steering.concurrency}


def spelled(windows: tuple[Window, ...]) -> str:
    return ", ".join(str(window) for window in windows) or "no set rate"


def told(limits: JsonObject) -> str:
    """`10/s, 100/min, 4 at a time`."""
    rate = limits.get("rate")
    rates = ", ".join(str(each) for each in rate) if isinstance(rate, list) and rate else "no set rate"
    return f"{rates}, {limits.get('concurrency')} at a time"


def beyond_published(host: HostSettings, asked: JsonObject) -> str | None:
    """A warning where a rate that is asked for lets more out than the API's own windows, published or assumed."""
    rates = asked.get("rate")
    if not isinstance(rates, list):
        return None
    windows = [parse_window(str(rate)) for rate in rates]
    api = connector(host.api)
    published = default_windows(api)
    for limit in published:
        most = min(window.count * max(1.0, limit.period_s / window.period_s) for window in windows)
        if most > limit.count:
            most_known = spelled(tuple(published))
            why = (
                f"more than {host.api} is known to allow ({most_known})"
                if api.windows
                else f"more than {most_known}, which is taken where nothing is known of {host.api}"
            )
            return f"{spelled(tuple(windows))} is {why}: {host.name} may answer 429, and is then paused"
    return None
