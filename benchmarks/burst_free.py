"""nginx in front of a sandbox: `limit_req` without a burst, the strictest limit that is in common use.

It refuses whatever comes sooner than one slot after the last request that it let through, by its own clock of whole
milliseconds, and asks to wait for a second. It runs as a child of the benchmark, on a free loopback port, with all of its files in a folder of its own.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import anyio

PREFIXES = {"merchantpro": "/api/v2/", "external-order": "/external/", "robosize": "/api/v1/"}
_UNITS = {"s": "r/s", "min": "r/m"}
_READY_WITHIN_S = 10.0

CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 64m;
    client_body_buffer_size 4m;
    large_client_header_buffers 8 64k;
    proxy_buffers 64 64k;
    proxy_buffer_size 64k;
    proxy_busy_buffers_size 512k;
    keepalive_requests 1000000;
    tcp_nodelay on;
    log_format arrivals '$msec $request_time $status';
    limit_req_status 429;
    limit_req_log_level info;
{zones}
    upstream sandbox {{ server {address}; keepalive 64; keepalive_requests 1000000; }}
    server {{
        listen 127.0.0.1:{port};
{places}
        location / {{ proxy_pass http://sandbox; }}
    }}
}}
"""
ZONE = "    limit_req_zone $server_port zone={zone}:1m rate={rate};"
PLACE = """        location {prefix} {{
{limits}
            access_log {folder}/{api}.log arrivals;
            error_page 429 @refused_{api};
            proxy_pass http://sandbox;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
        location @refused_{api} {{
            access_log {folder}/{api}.log arrivals;
            add_header Retry-After 1 always;
            return 429;
        }}"""


@dataclass(slots=True)
class Arrivals:
    """Requests to one API as nginx saw them, in epoch seconds, in their order."""

    at: list[float] = field(default_factory=list)
    refused: int = 0


@dataclass(frozen=True, slots=True)
class BurstFree:
    """A running nginx."""

    url: str
    folder: Path

    def arrivals(self) -> Mapping[str, Arrivals]:
        """By API. To be asked when all answers are there: a line is written when an answer is sent."""
        found: dict[str, Arrivals] = defaultdict(Arrivals)
        for api in PREFIXES:
            log = self.folder / f"{api}.log"
            for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else ():
                written_at, took_s, status = line.split()
                found[api].at.append(float(written_at) - float(took_s))
                found[api].refused += status == "429"
            found[api].at.sort()
        return found


def nginx() -> str | None:
    """Where it is installed, None where it is not."""
    return shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")


@asynccontextmanager
async def burst_free(url: str, rates: Mapping[str, Sequence[str]], folder: Path) -> AsyncIterator[BurstFree]:
    """A running nginx before the sandbox at `url`; `rates` by API, each like `20/s` or `80/min`. Ended on the way out."""
    program = nginx()
    if program is None:
        raise SystemExit("nginx is not installed")
    port = _free_port()
    file = folder / "nginx.conf"
    file.write_text(_configuration(url, rates, folder=folder, port=port), encoding="utf-8")
    process = await anyio.open_process(
        [program, "-p", str(folder), "-c", str(file), "-e", str(folder / "error.log")],
        stdin=subprocess.DEVNULL,
        stdout=None,
        stderr=None,
        start_new_session=True,
    )
    try:
        await _until_it_listens(port)
        yield BurstFree(f"http://127.0.0.1:{port}", folder)
    finally:
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                process.terminate()
                await process.wait()
            await process.aclose()


def _configuration(url: str, rates: Mapping[str, Sequence[str]], *, folder: Path, port: int) -> str:
    zones, places = [], []
    for api, prefix in PREFIXES.items():
        limits = []
        for number, rate in enumerate(rates.get(api, ())):
            count, _, unit = rate.partition("/")
            zone = f"{api.replace('-', '_')}_{number}"
            zones.append(ZONE.format(zone=zone, rate=count + _UNITS[unit]))
            limits.append(f"            limit_req zone={zone};")
        places.append(PLACE.format(prefix=prefix, limits="\n".join(limits), folder=folder, api=api))
    return CONFIGURATION.format(
        folder=folder,
        zones="\n".join(zones),
        address=urlsplit(url).netloc,
        port=port,
        places="\n".join(places),
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _until_it_listens(port: int) -> None:
    with anyio.fail_after(_READY_WITHIN_S):
        while True:
            try:
                stream = await anyio.connect_tcp("127.0.0.1", port)
            except OSError:
                await anyio.sleep(0.05)
            else:
                await stream.aclose()
                return
