"""Looking at an external-order host by read-only calls: its dialect, what takes effect, and which paths answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from bulkmove.connectors.asking import paths_of
from bulkmove.connectors.calls import filled
from bulkmove.connectors.drf_list import Rows, rows_of
from bulkmove.connectors.external_order import names, signs
from bulkmove.connectors.external_order.dialect import Dialect, dialect_of, headers_for
from bulkmove.connectors.json_text import as_text
from bulkmove.errors import BulkmoveError
from bulkmove.model import Finding, Request, Response
from bulkmove.protocols import Transport

MOST_CALLS = 8

_FUTURE_S = 4_102_444_800  # the year 2100
# Those that updates and look-ups need most come first; the rest is asked as far as the calls last.
_PATHS = ("order", "products", "regions", "localities", "stores", "promo-codes", "sectors", "address")
_OF_ONE_ORDER = frozenset({"order", "address"})
_NEVER_ASKED = ("order-search", "group-stores", "order-item")


async def examine(transport: Transport) -> Sequence[Finding]:
    """At most 8 calls, of lists and of single rows. What can't be seen is told as assumed.

    Raises what Transport.send raises where the list of orders itself can't be asked for.
    """
    look = _Look(transport)
    host, set_to = transport.host, dialect_of(transport.host)
    response, first = await look.orders(set_to, few=signs.FEW, fewer=signs.FEWER)
    if first is None:
        text = f"GET {response.asked or look.paths['orders']} answered {response.status} without a list"
        return [Finding("list of orders", "bad", text, 'paths.orders = "…"')]
    dialect = signs.dialect_seen(first, set_to)
    found = [
        signs.shape(first),
        signs.spelling(first, set_to),
        signs.dates(signs.rows_read(dialect, first), host),
    ]
    numbers = signs.numbers(dialect, first)
    many, is_ascending = None, numbers == sorted(numbers)
    if numbers:
        # Sorted the other way round than the first page is, so that an effect can be seen.
        ordering = "-" + names.CREATED_AT if is_ascending else names.CREATED_AT
        _, many = await look.orders(
            dialect, few=names.MOST_A_PAGE, fewer=names.MOST_A_PAGE, ordering=ordering
        )
    found += [
        signs.paging(first, many, set_to),
        signs.page_size(many),
        signs.ordering(signs.numbers(dialect, many), is_ascending=is_ascending),
        await _filter(look, dialect, first),
    ]
    return [*found, *await _path_findings(look, signs.rows_read(dialect, first))]


class _Look:
    """The calls of one examination: how many are left."""

    def __init__(self, transport: Transport) -> None:
        self.paths = paths_of(transport.host, names.PATHS)
        self.left = MOST_CALLS
        self._headers = headers_for(transport.host)
        self._transport = transport

    async def orders(
        self, dialect: Dialect, *, few: int, fewer: int, **params: str
    ) -> tuple[Response, Rows | None]:
        """A page of `few` orders by number, or of `fewer` by offset: which of them takes effect shows in what comes."""
        paged = {"page": "1", "page_size": str(few), "limit": str(fewer), "offset": "0"}
        response = await self.send(self.paths["orders"], {**paged, **dialect.asked(params)})
        return response, rows_of(_body_of(response)) if response.is_success else None

    async def send(self, path: str, params: Mapping[str, str]) -> Response:
        self.left -= 1
        # Without `decode`: HTML at a wrong path is an answer here, and no reason to try again.
        return await self._transport.send(
            Request("GET", path, params, headers=self._headers, is_repeatable=True)
        )


async def _filter(look: _Look, dialect: Dialect, first: Rows) -> Finding:
    name = dialect.name("created_after")
    if not first.rows:
        return Finding(name, "assumed", "no order could show whether it takes effect")
    response, found = await look.orders(dialect, few=1, fewer=1, created_after=str(_FUTURE_S))
    if found is None:
        return Finding(name, "note", f"was answered with {response.status}: leave it out of `where`")
    if found.rows:
        return Finding(name, "note", "is passed over: leave it out of `where`")
    return Finding(name, "good", "takes effect")


async def _path_findings(look: _Look, rows: Sequence[Any]) -> list[Finding]:
    order_id = as_text(rows[0].get(names.ID)) if rows and isinstance(rows[0], dict) else None
    found: list[Finding] = []
    unseen = list(_NEVER_ASKED)
    for name in _PATHS:
        if not look.left or (name in _OF_ONE_ORDER and order_id is None):
            unseen.append(name)
        else:
            found.append(await _path_finding(look, name, order_id or ""))
    text = f"not asked for: {', '.join(sorted(unseen))}; `bulkmove call` tries one"
    return [*found, Finding("other paths", "assumed", text)]


async def _path_finding(look: _Look, name: str, order_id: str) -> Finding:
    is_list = name not in _OF_ONE_ORDER
    question, setting = f"path {name}", f'paths.{name} = "…"'
    try:
        response = await look.send(
            filled(look.paths[name], {"id": order_id}), {"page_size": "1", "limit": "1"} if is_list else {}
        )
    except BulkmoveError as error:
        return Finding(question, "note", str(error), setting)
    body = _body_of(response)
    is_right = rows_of(body) is not None if is_list else isinstance(body, dict)
    if response.is_success and is_right:
        return Finding(question, "good", "answers")
    wanted = "a list" if is_list else "an object"
    return Finding(
        question,
        "note",
        f"{response.asked or look.paths[name]} answered {response.status} without {wanted}",
        setting,
    )


def _body_of(response: Response) -> Any:
    try:
        return orjson.loads(response.body)
    except ValueError:
        return None
