"""Credentials that can't be mistaken, a host that says them back in every way, and the search for them in all that was written."""

from __future__ import annotations

import html
import http.client
import json
import sqlite3
import threading
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, quote_plus, urlsplit

# Signs that links, JSON and HTML each spell in a way of their own.
CANARIES: Mapping[str, str] = {
    "OLD_KEY": "Kq8Fq2Lw0sVx-jD6u",
    "OLD_SECRET": 'Sx4tRz+9Bn&"<:Yk7H/pe',
    "NEW_TOKEN": 'Tm3Gd/5Jc&="Wq8N+sh',
    "SIZING_KEY": "Au6Ta/2Xe&='Pb1V+fo",
    "PROXY_PASSWORD": "Ri7Ro3Ky9Zd-cM1g",
}
# As long as this many signs of a credential are one too many.
WINDOW = 8


def _forms(text: str) -> Iterator[str]:
    yield text
    for safe in ("", "/"):
        yield quote(text, safe=safe)
    yield quote_plus(text)
    yield json.dumps(text)[1:-1]
    yield html.escape(text)
    yield text.encode().hex()
    for shift in range(3):  # base64 spells a text in three ways, by what stands before it
        encoded = b64encode(b"\0" * shift + text.encode()).decode().rstrip("=")
        yield encoded[(shift + 2) * 2 : -2] if shift else encoded[:-2]


def needles() -> dict[bytes, str]:
    """Parts of each canary, in any spelling, by the name of the canary."""
    found: dict[bytes, str] = {}
    basic = f"{CANARIES['OLD_KEY']}:{CANARIES['OLD_SECRET']}"
    for name, text in [*CANARIES.items(), ("OLD_KEY", basic)]:
        for form in _forms(text):
            for at in range(len(form) - WINDOW + 1):
                part = form[at : at + WINDOW]
                if len(set(part)) > 3:
                    found.setdefault(part.encode(), name)
    return found


NEEDLES = needles()


def found_in(content: bytes) -> set[str]:
    """The names of the canaries of which a part stands there."""
    return {name for needle, name in NEEDLES.items() if needle in content}


class Leak(NamedTuple):
    where: str
    canary: str


def leaks_in(folder: Path, said: Mapping[str, str]) -> set[Leak]:
    """Every canary in what was said and in every file below the folder: as it is, unpacked, and cell by cell of databases."""
    leaks = {Leak(where, name) for where, text in said.items() for name in found_in(text.encode())}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            leaks |= {Leak(path.name, name) for name in found_in(path.read_bytes())}
            if path.suffix == ".db":
                leaks |= set(_leaks_in_database(path))
    return leaks


def _leaks_in_database(path: Path) -> Iterator[Leak]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in database.execute(f'SELECT * FROM "{table}"'):  # noqa: S608  # its own names
                for cell in row:
                    for content in _unpacked(cell):
                        for name in found_in(content):
                            yield Leak(f"{path.name}: {table}", name)


def _unpacked(cell: object) -> Iterator[bytes]:
    if isinstance(cell, bytes):
        yield cell
        with suppress(zlib.error):
            yield zlib.decompress(cell)
    elif isinstance(cell, str):
        yield cell.encode("utf-8", "surrogatepass")


class Asked(NamedTuple):
    """A request as the host got it."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    def echo(self) -> str:
        """The whole request, as frameworks print it that show too much."""
        lines = [
            f"{self.method} {self.target} HTTP/1.1",
            *(f"{name}: {value}" for name, value in self.headers.items()),
        ]
        return "\n".join(lines)


Answer = tuple[int, dict[str, str], bytes]
Misbehave = Callable[[Asked], Answer | None]


@contextmanager
def misbehaving(url: str, misbehave: Misbehave) -> Iterator[str]:
    """The address of a host that answers as the one at `url` does, unless `misbehave` says something else.

    A status of 0 closes the connection instead.
    """
    behind = urlsplit(url)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(self.command, self.path, dict(self.headers.items()), body)
            status, headers, answer = misbehave(asked) or _forwarded(behind.netloc, asked)
            if not status:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            with suppress(OSError):  # nobody waited
                self.wfile.write(answer)

        do_GET = do_POST = do_PATCH = do_DELETE = do_CONNECT = respond  # noqa: N815  the names that the base class looks for

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _forwarded(netloc: str, asked: Asked) -> Answer:
    with closing(http.client.HTTPConnection(netloc, timeout=10)) as connection:
        headers = {name: value for name, value in asked.headers.items() if name != "Host"}
        connection.request(asked.method, asked.target, asked.body or None, headers)
        answer = connection.getresponse()
        return answer.status, {"Content-Type": answer.headers["Content-Type"]}, answer.read()
