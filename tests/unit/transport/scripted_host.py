"""A host that answers from a script, behind all layers of the transport but the client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence

import anyio
import pytest

from bulkmove.errors import BulkmoveError
from bulkmove.model import Request, Response
from bulkmove.settings import Window
from bulkmove.transport.answers import Answer, Failure, Verdict
from bulkmove.transport.circuit import HostCircuit
from bulkmove.transport.gate import Gate
from bulkmove.transport.gated import GatedClient
from bulkmove.transport.health import HostHealth
from bulkmove.transport.retry import Retrying, RetryRules
from bulkmove.transport.retry_budget import RetryBudget
from bulkmove.transport.spent import Spending
from bulkmove.transport.timing import Timing

GET = Request("GET", "/orders", {"api_key": "s3cret"}, is_repeatable=True)
POST = Request("POST", "/orders", body=b"{}")
REFUSED = Failure(Verdict.NOT_APPLIED, "could not connect to it (Connection refused)")
LOST = Failure(Verdict.UNSETTLED, "no whole answer came in time")


def answer(status: int, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, named, b"", None, 0.0, None)


OK = answer(200)


class Scripted:
    """A client that gives these answers in turn, and notes when it was asked for what."""

    def __init__(self, answers: Iterable[Answer], *, takes_s: float = 0.01) -> None:
        self._answers: Iterator[Answer] = iter(answers)
        self._takes_s = takes_s
        self.asked: list[tuple[float, str]] = []

    async def send(self, request: Request, mark: object = None) -> Answer:
        del mark
        self.asked.append((asyncio.get_running_loop().time() - 1000.0, request.method))
        await anyio.sleep(self._takes_s)
        return next(self._answers)

    @property
    def times(self) -> list[float]:
        return [moment for moment, _ in self.asked]


class Rig:
    def __init__(
        self,
        client: Scripted,
        timing: Timing,
        *,
        give_up_after_s: float = 120.0,
        windows: Sequence[Window] = (),
        burst: int = 1,
    ) -> None:
        self.client = client
        self.gate = Gate(windows, burst=burst, concurrency=8, clock=timing.clock)
        self.health = HostHealth(give_up_after_s)
        self.budget = RetryBudget()
        gated = GatedClient(
            "old", client, gate=self.gate, health=self.health, timing=timing, spending=Spending(())
        )
        self.retrying = Retrying(
            "old",
            gated,
            circuit=HostCircuit(self.gate, self.health, timing),
            budget=self.budget,
            rules=RetryRules(lambda _: None, lambda a: a.headers.get("Passing") == "yes", 60.0),
            timing=timing,
            without_secrets=str,
            redirect_target=lambda _request, _answer: "https://shop.example/orders/",
        )
        self.send = self.retrying.send

    async def raised_any(self, request: Request) -> BulkmoveError:
        with pytest.raises(BulkmoveError) as caught:
            await self.send(request)
        assert "s3cret" not in str(caught.value)
        return caught.value

    async def raised(self, request: Request) -> BulkmoveError:
        """What it raises, with nothing else in flight."""
        error = await self.raised_any(request)
        assert self.gate.in_flight == 0
        return error
