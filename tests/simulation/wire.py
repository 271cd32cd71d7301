"""The way between a simulated process and the hosts: delays, time-outs, lost answers, and what a host does too late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from email.utils import formatdate
from random import Random
from typing import Any

from bulkmove.model import Json, Request, Response
from bulkmove.protocols import Signature
from bulkmove.settings import HostSettings
from bulkmove.transport.answers import Answer, Failure, Verdict
from tests.simulation.calls import Call, Host, Reply, detail, html_reply, json_reply
from tests.simulation.clock import Clock
from tests.simulation.machine import Machine
from tests.simulation.weather import DONE_LATER, Weather

_NO_CONTENT = (204, 205)
# What a host is late with, it does within this part of `settle_s` after the request was sent.
_SETTLED_WITHIN = 0.9
_WAITS = ("seconds", "date", "none", "rubbish", "past", "zero")

Note = Callable[[str], None]


class Wire:
    """Carries requests to the hosts by name. `note`: is told what happens, where somebody wants a trace."""

    def __init__(
        self,
        machine: Machine,
        weather: Weather,
        hosts: Mapping[str, Host],
        *,
        dice: Random,
        note: Note | None,
    ) -> None:
        self.requests = 0
        self._machine = machine
        self._clock: Clock = machine.clock
        self._weather = weather
        self._hosts = hosts
        self._dice = dice
        self._note = note
        self._latency_s = dice.choice((0.0, 0.01, 0.05))

    @asynccontextmanager
    async def connect(
        self,
        host: HostSettings,
        sign: Signature,
        *,
        wall_clock: Callable[[], float],
        on_sent: Callable[[Any], None] | None = None,
    ) -> AsyncIterator[WireClient]:
        """Stands in for `bulkmove.transport.client.open_client`."""
        del sign
        yield WireClient(self, host, wall_clock, on_sent)

    async def send(
        self, settings: HostSettings, request: Request, on_sent: Callable[[], None]
    ) -> Reply | Failure:
        """One attempt, from a process to a host: what came back."""
        process = self._machine.process
        process.pass_boundary()
        self.requests += 1
        attempt = _Attempt(self, settings, request, self.requests)
        came = await attempt.made(on_sent)
        process.pass_boundary()
        return came

    def set_clock_soon(self) -> None:
        """Somebody sets the machine's clock, of all times now."""
        by_s = self._weather.jump_s
        if by_s and self._dice.random() < 0.3:
            asyncio.get_running_loop().call_later(self._dice.random(), self._set_clock, by_s)

    def _set_clock(self, by_s: float) -> None:
        self._weather.counted["the machine's clock is set"] += 1
        self._machine.skew_s += by_s
        if self._note is not None:
            self._note(f"the machine's clock is set by {by_s:g} s")


class _Attempt:
    """One request on its way. Once it is sent the host gets it, whatever becomes of the process."""

    def __init__(self, wire: Wire, settings: HostSettings, request: Request, number: int) -> None:
        self._wire = wire
        self._host = wire._hosts[settings.name]
        self._settings = settings
        self._call = Call(request.method, request.path, request.params, request.body)
        self._loop = asyncio.get_running_loop()
        self._came: asyncio.Future[Reply | Failure] = self._loop.create_future()
        self._name = f"#{number} {settings.name}"

    async def made(self, on_sent: Callable[[], None]) -> Reply | Failure:
        if self._wire._note is not None:
            self._tell(f"{self._call.method} {self._call.path} {_short(self._call)}")
        self._later(self._delay_s(), self._arrive)
        on_sent()
        timer = self._loop.call_later(
            self._settings.timeout_s, self._end, Failure(Verdict.UNSETTLED, "no whole answer came in time")
        )
        try:
            return await self._came
        finally:
            timer.cancel()

    def _arrive(self) -> None:
        wire, host, call = self._wire, self._host, self._call
        kind = host.kind(call)
        fault = wire._weather.draw(host.api, kind, wire._clock.now)
        if fault is None:
            self._answer(host.answer(call))
            return
        self._tell(f"fault: {fault}")
        if fault in DONE_LATER:
            wire.set_clock_soon()
            longest_s = max(0.0, self._settings.settle_s * _SETTLED_WITHIN - 0.1)
            self._later(wire._dice.random() * longest_s, self._do_late)
            if fault != "silence, done later":
                lost = Failure(Verdict.UNSETTLED, "the connection broke")
                self._answer(html_reply(504, "Gateway Time-out") if fault.startswith("504") else lost)
        else:
            self._spoil(fault)

    def _spoil(self, fault: str) -> None:
        """Answer as the fault has it; most are told by their name."""
        broken = Failure(Verdict.UNSETTLED, "the connection broke")
        if fault == "refused":
            self._answer(Failure(Verdict.NOT_APPLIED, "could not connect to it"))
        elif fault == "reset before":
            self._answer(broken)
        elif fault == "time-out before":
            pass
        elif fault == "html 200":
            self._answer(html_reply(200, "Maintenance"))
        elif fault in {"500 before", "502 before"}:
            self._answer(html_reply(int(fault[:3]), "Server Error"))
        elif fault == "503 with a wait":
            self._answer(detail(503, "busy", {"Retry-After": self._wire._dice.choice(("1", "3", "0"))}))
        elif fault == "429":
            self._answer(self._throttled())
        elif fault == "401":
            self._answer(detail(401, "Invalid token."))
        elif fault == "passing error":
            error = {
                "error": {"name": "failed", "message": "Operation could not be completed", "details": None}
            }
            self._answer(json_reply(self._wire._dice.choice((400, 405, 500)), error))
        else:
            self._spoil_after(fault, self._host.answer(self._call))

    def _spoil_after(self, fault: str, reply: Reply) -> None:
        if fault == "reset after":
            self._answer(Failure(Verdict.UNSETTLED, "the connection broke"))
        elif fault in {"500 after", "502 after"}:
            self._answer(html_reply(int(fault[:3]), "Server Error"))
        elif fault == "cut body" and not reply.is_success:
            self._answer(Failure(Verdict.UNSETTLED, "the answer was cut short"))
        elif fault == "cut body":
            self._answer(Reply(reply.status, reply.body[: len(reply.body) * 2 // 3], reply.headers))
        elif fault == "slow":
            self._later(self._settings.timeout_s * 0.8, self._end, reply)
        elif fault != "time-out after":
            raise ValueError(fault)

    def _throttled(self) -> Reply:
        dice, now = self._wire._dice, self._host_time()
        wait = dice.choice(_WAITS)
        headers = {
            "seconds": {"Retry-After": "2"},
            "date": {"Retry-After": formatdate(now + 3, usegmt=True)},
            "rubbish": {"Retry-After": "soon"},
            "past": {"Retry-After": formatdate(now - 3600, usegmt=True)},
            "zero": {"Retry-After": "0"},
        }.get(wait, {})
        if wait == "none" and self._host.api == "merchantpro":
            error = {
                "name": "rate_limit",
                "message": "Too many requests",
                "details": {"reset_time": int(now) + 3},
            }
            return json_reply(429, {"error": error})
        return detail(429, "Request was throttled.", headers)

    def _do_late(self) -> None:
        reply = self._host.answer(self._call)
        self._tell(f"done late: {reply.status}")

    def _answer(self, came: Reply | Failure) -> None:
        self._later(self._delay_s(), self._end, came)

    def _end(self, came: Reply | Failure) -> None:
        if not self._came.done():
            self._tell(came.text if isinstance(came, Failure) else f"{came.status} ({len(came.body)} bytes)")
            self._came.set_result(came)

    def _later(self, delay_s: float, do: Callable[..., None], *args: Any) -> None:
        if delay_s > 0:
            self._loop.call_later(delay_s, do, *args)
        else:
            self._loop.call_soon(do, *args)

    def _delay_s(self) -> float:
        return self._wire._dice.random() * self._wire._latency_s

    def _host_time(self) -> float:
        return self._wire._clock.true + self._host.skew_s

    def _tell(self, what: str) -> None:
        if self._wire._note is not None:
            self._wire._note(f"{self._name} {what}")


class WireClient:
    """Implements `bulkmove.transport.opening.HostClient`."""

    def __init__(
        self,
        wire: Wire,
        host: HostSettings,
        wall_clock: Callable[[], float],
        on_sent: Callable[[Any], None] | None,
    ) -> None:
        self._wire = wire
        self._settings = host
        self._host = wire._hosts[host.name]
        self._wall_clock = wall_clock
        self._on_sent = on_sent

    async def send(self, request: Request, mark: object = None) -> Answer:
        sent_at = self._wall_clock()

        def on_sent() -> None:
            if self._on_sent is not None:
                self._on_sent(mark)

        came = await self._wire.send(self._settings, request, on_sent)
        return came if isinstance(came, Failure) else self._answered(request, came, sent_at)

    def redirect_target(self, request: Request, answer: Response) -> str:
        del request
        return answer.headers.get("Location", "")

    def _answered(self, request: Request, reply: Reply, sent_at: float) -> Answer:
        data: Json = None
        failure: str | None = None
        if request.decode is not None and reply.is_success and reply.status not in _NO_CONTENT:
            try:
                data = request.decode(reply.body)
            except ValueError:
                failure = f"answered {reply.status} with a body that can't be used"
        response = Response(
            status=reply.status,
            headers=reply.headers,
            body=reply.body,
            data=data,
            sent_at=sent_at,
            date=float(int(self._wire._clock.true + self._host.skew_s)),
            asked=request.path,
        )
        return response if failure is None else Failure(Verdict.UNSETTLED, failure, response)


def _short(call: Call) -> str:
    text = "&".join(f"{name}={value}" for name, value in call.query.items())
    if call.body is not None:
        text += " " + call.body.decode("utf-8", "replace")
    return text
