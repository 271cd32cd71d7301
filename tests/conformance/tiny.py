"""The smallest of shops that keeps all promises, with its connector: rows sorted by date, arrays of creations, updates one by one or joined."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

import orjson

from bulkmove.connectors.deleting import DeleteTarget
from bulkmove.connectors.scripted import ScriptedTransport, answer
from bulkmove.errors import BadAnswerError, InDoubtError
from bulkmove.exact import decode_json, decode_json_or_nothing
from bulkmove.model import (
    BatchRule,
    JsonObject,
    Listing,
    Page,
    PageQuery,
    Record,
    Request,
    Response,
    Verdict,
    WriteItem,
    WriteResult,
)
from bulkmove.protocols import Source
from bulkmove.settings import HostSettings
from bulkmove.testing import FaultyTransport

T0 = 1_700_000_000
HOST = HostSettings(name="tiny", api="tiny", url="https://tiny.example")
_ROW = re.compile(r"[0-9]{1,9}")
LISTING = Listing("keyset", 100)
LIST_ROWS = partial(Request, "GET", "/rows", is_repeatable=True, decode=decode_json)


@dataclass
class TinyHost:
    """Rows by id. `secret` is written and never shown; `price` is shown as a number."""

    rows: dict[str, JsonObject] = field(default_factory=dict)

    @classmethod
    def of(cls, count: int) -> TinyHost:
        return cls({str(n): {"id": n, "ref": f"r{n}", "at": T0 + n // 2} for n in range(1, count + 1)})

    def transport(self) -> FaultyTransport:
        return FaultyTransport(ScriptedTransport(HOST, self.answer))

    def answer(self, request: Request) -> Response:
        sent: Any = orjson.loads(request.body) if request.body else None
        row_id = request.path.removeprefix("/rows").strip("/")
        if request.method == "GET":
            return self._listed(request.params)
        if request.method == "POST":
            return self._created(sent)
        if row_id and row_id not in self.rows:
            return answer(404, {"detail": "Not found."})
        named = [row_id] if row_id else (sent or {}).pop("ids", list(self.rows))
        for each in named:
            if request.method == "DELETE":
                del self.rows[each]
            elif each in self.rows:
                self.rows[each].update(sent)
        return answer(200, {"message": "done"})

    def _listed(self, params: Mapping[str, str]) -> Response:
        found = [
            {name: value for name, value in row.items() if name != "secret"}
            for row in sorted(self.rows.values(), key=lambda row: row.get("at", 0))
            if ("after" not in params or row["at"] > int(params["after"]))
            and ("before" not in params or row["at"] < int(params["before"]))
            and ("ref" not in params or row["ref"].startswith(params["ref"]))
        ]
        start, limit = int(params["offset"]), int(params["limit"])
        return answer(200, {"rows": found[start : start + limit], "total": len(found)})

    def _created(self, sent: list[JsonObject]) -> Response:
        bad = {
            str(place): {"ref": ["No."]}
            for place, body in enumerate(sent)
            if body.get("ref", "").startswith("bad")
        }
        if bad:
            return answer(400, bad)
        for body in sent:
            number = len(self.rows) + 1
            self.rows[str(number)] = {
                **body,
                "price": float(body.get("price", 0)),
                "id": number,
                "at": T0 + number,
            }
        return answer(200, list(self.rows.values())[-len(sent) :])


def row_of(row: Any) -> Record:
    """A row that is no object has no name."""
    row = row if isinstance(row, dict) else {}
    return Record(str(row["id"]) if "id" in row else None, row.get("at"), None, row)


@dataclass(frozen=True)
class TinySource:
    """Implements Source."""

    transport: FaultyTransport
    filters: Mapping[str, str] = field(default_factory=dict)
    read_row: Callable[[Any], Record] = row_of
    listing: Listing = LISTING
    request: Callable[..., Request] = LIST_ROWS

    async def fetch(self, query: PageQuery) -> Page:
        params = {**self.filters, "offset": str(query.offset), "limit": str(query.limit)}
        for name in ("after", "before"):
            if (bound := getattr(query, name)) is not None:
                params[name] = str(bound)
        response = await self.transport.send(self.request(params=params))
        found = response.data if response.is_success else None
        if not isinstance(found, dict) or not isinstance(found.get("rows"), list):
            raise BadAnswerError("tiny: answered without a list")
        records = [self.read_row(row) for row in found["rows"]]
        return Page(records, found["total"], has_next=query.offset + len(records) < found["total"])


@dataclass(frozen=True)
class TinyTarget:
    """Implements Target. With `joined`, one update for many rows."""

    transport: FaultyTransport
    joined: bool = False
    id_field: str = "id"
    natural_key: str = "ref"
    never_returned: frozenset[str] = frozenset({"secret"})

    @property
    def rules(self) -> Mapping[str, BatchRule]:
        update = (
            BatchRule("joined", 4, is_repeatable=True)
            if self.joined
            else BatchRule("single", is_repeatable=True)
        )
        return MappingProxyType({"create": BatchRule("array", 4), "update": update})

    def list(self) -> Source:
        return TinySource(self.transport)

    def comparable(self, row: JsonObject) -> JsonObject:
        shown = {name: value for name, value in row.items() if name not in {"id", "at", "secret"}}
        return shown | {"price": float(row["price"])} if "price" in row else shown

    async def write(self, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        return await (self._create(items) if items[0].target_id is None else self._update(items))

    async def _create(self, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        body = orjson.dumps([item.body for item in items])
        response = await self.transport.send(Request("POST", "/rows", body=body, decode=decode_json))
        if not response.is_success:
            return _refused(response, items)
        rows = response.data if isinstance(response.data, list) else []
        by_ref = {row.get("ref"): str(row["id"]) for row in rows if isinstance(row, dict) and "id" in row}
        if not by_ref:
            raise InDoubtError("tiny: answered without the new rows", sent_at=response.sent_at)
        ids = [by_ref.get(item.body.get("ref")) for item in items]
        return [WriteResult(Verdict.WRITTEN if each else Verdict.DOUBT, target_id=each) for each in ids]

    async def _update(self, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        if not all(_ROW.fullmatch(item.target_id or "") for item in items):
            return [WriteResult(Verdict.REJECTED, cause="not-found", message="no such row")] * len(items)
        ids = [item.target_id for item in items]
        path, body = (
            ("/rows", {**items[0].body, "ids": ids}) if self.joined else (f"/rows/{ids[0]}", items[0].body)
        )
        request = Request(
            "PATCH", path, body=orjson.dumps(body), is_repeatable=True, decode=decode_json_or_nothing
        )
        response = await self.transport.send(request)
        if not response.is_success:
            return _refused(response, items)
        return [WriteResult(Verdict.WRITTEN, target_id=each) for each in ids]


def _refused(response: Response, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
    if response.status not in {400, 404, 413}:
        raise BadAnswerError(f"tiny: answered {response.status}")
    try:
        said = orjson.loads(response.body)
    except ValueError:
        said = None
    named = said if isinstance(said, dict) and response.status == 400 else {}
    no = WriteResult(Verdict.REJECTED, cause="refused", message=f"the host answered {response.status}")
    if len(items) == 1:
        return [no]
    return [no if str(place) in named else WriteResult(Verdict.HELD) for place, _ in enumerate(items)]


def deleting(transport: FaultyTransport) -> DeleteTarget:
    return DeleteTarget(
        transport,
        id_field="id",
        natural_key="ref",
        request=_deletion,
        rows=lambda: TinySource(transport),
        comparable=TinyTarget(transport).comparable,
    )


def _deletion(row_id: str) -> Request:
    if not _ROW.fullmatch(row_id):
        raise ValueError(row_id)
    return Request("DELETE", f"/rows/{row_id}", is_repeatable=True, decode=decode_json_or_nothing)


def bodies() -> list[JsonObject]:
    return [{"ref": f"our-{n}", "note": f"n {n}", "price": f"{n}.50", "secret": f"s{n}"} for n in range(6)]


BAD: JsonObject = {"ref": "bad-secret-of-a-customer", "note": "x", "price": "1"}
