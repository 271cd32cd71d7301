"""A sandbox in a process of its own, and a client of its control endpoints: for tests, the demo and benchmarks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
import anyio
import anyio.abc
import orjson
from anyio.streams.buffered import BufferedByteReceiveStream

from bulkmove.errors import BulkmoveError
from bulkmove.sandbox.settings import SandboxSettings

_LONGEST_LINE = 64 * 1024
_STOP_WITHIN_S = 5.0


class SandboxFailedError(BulkmoveError):
    """A sandbox did not start, or its control endpoints refused a call."""


@dataclass(frozen=True, slots=True)
class SandboxHandle:
    """Where a sandbox listens, and its process."""

    url: str
    pid: int


@asynccontextmanager
async def sandbox_process(
    settings: SandboxSettings, *, ready_within_s: float = 60.0
) -> AsyncIterator[SandboxHandle]:
    """Start `python -m bulkmove sandbox`, wait until it accepts connections, and end it on the way out.

    It also ends by itself when this process dies. Raises SandboxFailedError where it is not ready in time.
    """
    command = [
        sys.executable,
        "-m",
        "bulkmove",
        "sandbox",
        *settings.arguments(),
        "--parent-pid",
        str(os.getpid()),
    ]
    # A session of its own: Ctrl-C in a terminal is for the migration, which still needs its hosts to end in order.
    process = await anyio.open_process(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=None, start_new_session=True
    )
    try:
        yield await _ready(process, within_s=ready_within_s)
    finally:
        with anyio.CancelScope(shield=True):
            await _end(process)


async def _ready(process: anyio.abc.Process, *, within_s: float) -> SandboxHandle:
    if process.stdout is None:
        raise SandboxFailedError("the sandbox was started without a standard output")
    try:
        with anyio.fail_after(within_s):
            line = await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", _LONGEST_LINE)
    except TimeoutError as error:
        raise SandboxFailedError(f"the sandbox was not ready within {within_s:g} s") from error
    except (anyio.IncompleteRead, anyio.EndOfStream) as error:
        raise SandboxFailedError(
            "the sandbox ended before it was ready; its standard error says why"
        ) from error
    said = orjson.loads(line)
    return SandboxHandle(url=said["url"], pid=said["pid"])


async def _end(process: anyio.abc.Process) -> None:
    if process.returncode is None:
        process.terminate()
        with anyio.move_on_after(_STOP_WITHIN_S):
            await process.wait()
    if process.returncode is None:
        process.kill()
    await process.aclose()


class SandboxRecord:
    """A client of a sandbox's control endpoints, as an async context manager. Raises SandboxFailedError on a refusal."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/") + "/_sandbox/"
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def rows(self, name: str) -> list[dict[str, Any]]:
        """All rows of orders, external-orders, robosize-orders or robosize-products, with `_writes`."""
        rows: list[dict[str, Any]] = []
        while True:
            page = await self._call("GET", name, query={"offset": str(len(rows)), "limit": "10000"})
            rows += page["rows"]
            if not page["rows"] or len(rows) >= page["total"]:
                return rows

    async def stats(self) -> dict[str, dict[str, Any]]:
        """Counts by API."""
        apis: dict[str, dict[str, Any]] = (await self._call("GET", "stats"))["apis"]
        return apis

    async def ids(self) -> dict[str, int]:
        """The new number of each old product."""
        lines = (await self._bytes("GET", "ids.csv")).decode().splitlines()[1:]
        return {old: int(new) for old, _, new in (line.partition(",") for line in lines)}

    async def add_fault(self, name: str, **narrowed: Any) -> None:
        """A fault from now on: share, api, methods, kinds, times, wait."""
        await self._call("POST", "faults", body={"name": name, **narrowed})

    async def clear_faults(self, name: str | None = None) -> None:
        await self._call("DELETE", "faults", query={"name": name} if name else None)

    async def change_source(self, change: Mapping[str, Any]) -> dict[str, Any]:
        """`{"list", "delete", "insert", "touch", "update"}`: what was done."""
        done: dict[str, Any] = await self._call("POST", "source", body=dict(change))
        return done

    async def add_move(self, **move: Any) -> None:
        """A change that is made while somebody reads: `after` and `change`, or `each`, `kinds`, `until` and `seed`."""
        await self._call("POST", "moves", body=move)

    async def clear_moves(self) -> None:
        await self._call("DELETE", "moves")

    async def set_limits(self, **limits: Any) -> None:
        """From now on: `api`, one or (left out) all; `rate` and `capacity`, lists as in `["50/s"]`, empty for none."""
        await self._call("POST", "limits", body=limits)

    async def reset(self, **options: Any) -> None:
        """Empty the targets; `stats=True` starts counting anew."""
        await self._call("POST", "reset", body=options)

    async def _call(
        self, method: str, name: str, *, query: dict[str, str] | None = None, body: Any = None
    ) -> Any:
        return orjson.loads(await self._bytes(method, name, query=query, body=body))

    async def _bytes(
        self, method: str, name: str, *, query: dict[str, str] | None = None, body: Any = None
    ) -> bytes:
        if self._session is None:
            raise SandboxFailedError("SandboxRecord is used inside `async with`")
        data = None if body is None else orjson.dumps(body)
        async with self._session.request(method, self._url + name, params=query, data=data) as response:
            answer = await response.read()
            if response.status != 200:
                raise SandboxFailedError(
                    f"the sandbox refused {method} {name}: {answer[:200].decode(errors='replace')}"
                )
            return answer
