"""`/_sandbox/`: what is stored, what was counted, and changes while the sandbox runs. No credentials, limits or faults.

GET    orders | external-orders | robosize-orders | robosize-products   ?offset=0&limit=1000 (at most 10,000)
       {"total", "offset", "rows": […]}; each row whole, with fields that the API never returns, and `_writes`:
       how often it was created or changed (0: generated and untouched)
GET    ids.csv       old,new: product numbers of the shop that is left and of the one that is moved to
GET    stats         {"type": "stats", "apis": {NAME: {total, requests, creates, updates, faults, too_many, …}}}
GET    faults        {"faults": […]} · POST one fault, a list, or {"faults": […]}: added · DELETE ?name=: cleared
POST   source        {"list": "orders", "delete": [ids], "insert": [rows] or a number, "touch": [ids],
                      "update": {id: {fields}}}: changes a list behind the client's back; `list` names any of the
                     four → {"deleted", "inserted": [ids], "touched", "updated"}
POST   moves         {"list", "after": 5, "change": {as for source}}: before the sixth page from now is read;
                     {"list", "each": 0.5, "kinds": [names], "until": 60, "seed": 1}: by dice at each of the next 60
                     DELETE: none any more
POST   limits        {"api": "robosize", "rate": ["50/s"], "capacity": ["20/s"]}: other limits from now on, of one API or of all;
                     what is left out stays, [] is none
POST   reset         {"targets": [names], "stats": false}: empties external-orders and robosize-orders
"""

from __future__ import annotations

import dataclasses
from typing import Any

import orjson

from bulkmove.errors import ConfigError
from bulkmove.sandbox.calls import Answer, Call, Json, html_answer, json_answer, parsed_json, whole_number
from bulkmove.sandbox.changes import Changes
from bulkmove.sandbox.conditions import Fault, RateWindow
from bulkmove.sandbox.faults import FaultPlan
from bulkmove.sandbox.moving import Moves
from bulkmove.sandbox.record import ApiRecord
from bulkmove.sandbox.templates import WHOLE
from bulkmove.sandbox.world import World

PATH = "/_sandbox/"
_DEFAULT_LIMIT = 1000
_MOST_A_PAGE = 10_000
_TARGETS = ("external-orders", "robosize-orders")


class Control:
    """Answers the control endpoints."""

    def __init__(
        self,
        world: World,
        faults: FaultPlan,
        records: dict[str, ApiRecord],
        *,
        changes: Changes,
        moves: Moves,
    ) -> None:
        self._world = world
        self._faults = faults
        self._records = records
        self._changes = changes
        self._moves = moves

    def answer(self, call: Call) -> Answer:
        name = call.path[len(PATH) :].strip("/")
        try:
            if call.method == "GET":
                return self._shown(name, call)
            if call.method == "POST":
                value, problem = parsed_json(call.body or b"{}")
                if problem is not None:
                    return json_answer(400, {"error": problem})
                return self._changed(name, value)
        except (ConfigError, KeyError, TypeError, ValueError) as error:
            return json_answer(400, {"error": f"{type(error).__name__}: {error}"})
        if call.method == "DELETE" and name == "faults":
            self._faults.clear(call.query.get("name"))
            return self._fault_list()
        if call.method == "DELETE" and name == "moves":
            self._moves.clear()
            return json_answer(200, {"moves": 0})
        return json_answer(405, {"error": f"no {call.method} on {name}"})

    def _shown(self, name: str, call: Call) -> Answer:
        if name == "stats":
            apis = {api: record.statistics() for api, record in self._records.items()}
            return json_answer(200, {"type": "stats", "apis": apis})
        if name == "faults":
            return self._fault_list()
        if name == "ids.csv":
            return Answer(200, self._world.catalogue.ids_csv(), "text/csv; charset=utf-8")
        offset = max(whole_number(call.query.get("offset")) or 0, 0)
        limit = max(min(whole_number(call.query.get("limit")) or _DEFAULT_LIMIT, _MOST_A_PAGE), 1)
        found = self._rows(name, offset, limit)
        if found is None:
            return html_answer(404, "Not Found", "The sandbox has no such endpoint.")
        rows, total = found
        head = orjson.dumps({"total": total, "offset": offset})[:-1]
        return Answer(200, b"".join((head, b',"rows":[', b",".join(rows), b"]}")))

    def _rows(self, name: str, offset: int, limit: int) -> tuple[list[bytes], int] | None:
        world = self._world
        if name == "orders":
            numbers = world.orders.rows_by_date(offset, limit)
            encoded = zip(numbers, world.orders.encoded(numbers, WHOLE), strict=True)
            return [_with(row, {"_writes": world.orders.writes(number)}) for number, row in encoded], len(
                world.orders
            )
        if name == "external-orders":
            stored = world.external_orders.rows
            return [
                _with(
                    row.encoded,
                    {"_writes": row.writes, "_created_at": row.created_s, "_ignored": row.ignored},
                )
                for row in stored[offset : offset + limit]
            ], len(stored)
        store = {"robosize-orders": world.robosize_orders, "robosize-products": world.robosize_products}.get(
            name
        )
        if store is None:
            return None
        return [orjson.dumps(row) for row in store.whole(offset, limit)], len(store)

    def _changed(self, name: str, value: Any) -> Answer:
        if name == "faults":
            given = value.get("faults", [value]) if isinstance(value, dict) else value
            for fault in [Fault.checked(one) for one in given]:
                self._faults.add(fault)
            return self._fault_list()
        if name == "moves":
            self._moves.add(value)
            return json_answer(200, {"moves": 1})
        if name == "source":
            return json_answer(200, self._changes.apply(value))
        if name == "limits":
            return self._limit(value)
        if name == "reset":
            return self._reset(value)
        return html_answer(404, "Not Found", "The sandbox has no such endpoint.")

    def _limit(self, value: Json) -> Answer:
        api = value.get("api")
        for name in self._records if api is None else (api,):
            record = self._records[name]
            if "rate" in value:
                record.limit.set([RateWindow.parse(each) for each in value["rate"]])
            if "capacity" in value:
                record.capacity.set([RateWindow.parse(each) for each in value["capacity"]])
        return json_answer(200, {"limits": api or "all"})

    def _reset(self, value: Json) -> Answer:
        targets = value.get("targets", _TARGETS)
        if unknown := set(targets) - set(_TARGETS):
            raise ValueError(f"no target {', '.join(sorted(unknown))}; there are {', '.join(_TARGETS)}")
        if "external-orders" in targets:
            self._world.external_orders.clear()
        if "robosize-orders" in targets:
            self._world.robosize_orders.clear()
        if value.get("stats"):
            for record in self._records.values():
                record.clear()
        return json_answer(200, {"reset": sorted(targets)})

    def _fault_list(self) -> Answer:
        rules = [dataclasses.asdict(fault) | {"times_left": left} for fault, left in self._faults.rules()]
        return json_answer(200, {"faults": rules})


def _with(encoded: bytes, more: Json) -> bytes:
    return encoded[:-1] + b"," + orjson.dumps(more)[1:]
