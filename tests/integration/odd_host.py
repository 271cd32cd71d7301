"""A host that answers as it is told, and as no sandbox would: rows of any bytes, redirects, pages of HTML."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, dict[str, str], bytes]
Answering = Callable[[str, str, bytes], Answer]


class OddHost:
    """Its address, and how many requests it got."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests = 0


@contextmanager
def odd_host(answer: Answering) -> Iterator[OddHost]:
    """A server on loopback that gives `answer(method, path and query, body)` to every request."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def respond(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            host.requests += 1
            status, headers, body = answer(self.command, self.path, sent)
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = respond  # noqa: N815  the names that the base class looks for

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        host = OddHost(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield host
        finally:
            server.shutdown()
            thread.join()


def shop(rows: Sequence[str], dates: Sequence[str]) -> Answering:
    """A MerchantPro shop whose list holds these rows, as JSON text, created at these ISO dates in rising order."""
    epochs = [datetime.fromisoformat(date).timestamp() for date in dates]

    def answer(_method: str, target: str, _body: bytes) -> Answer:
        query = {name: values[-1] for name, values in parse_qs(urlsplit(target).query).items()}
        low, high = _moment(query, "created_after", 0.0), _moment(query, "created_before", 1e12)
        found = [row for row, epoch in zip(rows, epochs, strict=True) if low <= epoch <= high]
        start, limit = int(query.get("start", 0)), int(query.get("limit", 100))
        page = ",".join(found[start : start + limit])
        count = f'{{"total":{len(found)},"current":1,"start":{start},"limit":{limit}}}'
        return 200, {}, f'{{"data":[{page}],"meta":{{"count":{count},"links":{{"next":null}}}}}}'.encode()

    return answer


def sizing_service(created: list[bytes]) -> Answering:
    """A Robosize whose lists are empty; the bodies of what is created are put to `created` as they come."""

    def answer(method: str, _target: str, body: bytes) -> Answer:
        if method == "GET":
            return 200, {}, b'{"count":0,"next":null,"previous":null,"results":[]}'
        created.append(body)
        return 201, {}, f'{{"id":{len(created)}}}'.encode()

    return answer


def _moment(query: dict[str, str], name: str, otherwise: float) -> float:
    return datetime.fromisoformat(query[name]).timestamp() if name in query else otherwise
