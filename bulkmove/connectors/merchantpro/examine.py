"""What a few read-only calls tell of a MerchantPro shop: whether it speaks as documented and reported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bulkmove.connectors.asking import paths_of
from bulkmove.connectors.dates import epoch_seconds, iso_text
from bulkmove.connectors.json_text import part, whole_number
from bulkmove.connectors.merchantpro.answers import UNDEFINED_FILTER, decoded, failure_of, rows_of
from bulkmove.connectors.merchantpro.names import HEADERS, MOST_A_PAGE, PATHS, SORTS
from bulkmove.errors import CredentialsError
from bulkmove.model import Finding, Request, Response
from bulkmove.protocols import Transport

_DAY_S = 86_400
# Nobody has a filter of this name: a host that takes it takes any.
_NO_FILTER = "no_such_filter_is_documented"
_ASKED = 250
_FIELDS = ("id", "date_created")
_NO_ORDERS = "the shop has no orders, which could show it"


@dataclass(frozen=True, slots=True)
class _Page:
    """The first page of orders, as far as it tells something."""

    rows: list[Any]
    total: int | None
    limit: int | None
    now: float


async def examine_shop(transport: Transport) -> list[Finding]:
    """Four requests at most. Raises what Transport.send raises, but for products that the key may not read."""
    paths = paths_of(transport.host, PATHS)
    asked = {"sort": SORTS[0], "fields": ",".join(_FIELDS), "start": "0", "limit": str(_ASKED)}
    first = await _get(transport, paths["orders"], asked)
    page = _page(first)
    if page is None:
        return [_no_orders(first, paths["orders"])]
    findings = [_on_length(page), _on_fields(page), *_on_dates(page, transport.host.timezone)]
    unknown = {_NO_FILTER: "1", "limit": "1"}
    findings.append(_on_unknown_filter(await _get(transport, paths["orders"], unknown)))
    ahead = {"created_after": iso_text(int(page.now) + _DAY_S), "limit": "1"}
    findings.append(_on_future(await _get(transport, paths["orders"], ahead), page))
    findings.append(await _on_products(transport, paths["products"]))
    return findings


async def _get(transport: Transport, path: str, params: Mapping[str, str]) -> Response:
    """Undecoded: what is no JSON is a finding here, not a failure to try again."""
    return await transport.send(Request("GET", path, params, headers=HEADERS, is_repeatable=True))


def _page(response: Response) -> _Page | None:
    answer = decoded(response) if response.is_success else None
    rows = rows_of(answer)
    if rows is None:
        return None
    count = part(answer, "meta", "count")
    now = response.date if response.date is not None else response.sent_at
    return _Page(rows, whole_number(part(count, "total")), whole_number(part(count, "limit")), now)


def _no_orders(response: Response, path: str) -> Finding:
    text = f"GET {response.asked or path} answered {response.status} without a list of orders; check the host's url"
    return Finding("list of orders", "bad", text, 'paths.orders = "…"')


def _on_length(page: _Page) -> Finding:
    question = "longest page"
    length = len(page.rows)
    has_more = page.total is not None and page.total > length
    if length > MOST_A_PAGE:
        text = f"{length} orders came at once; {MOST_A_PAGE} are asked for, as documented"
        return Finding(question, "note", text)
    if length == MOST_A_PAGE and has_more:
        return Finding(
            question, "good", f"{MOST_A_PAGE} of {page.total} orders, where {_ASKED} were asked for"
        )
    if has_more:
        text = f"{length} of {page.total} orders, where {_ASKED} were asked for: short pages cost requests"
        return Finding(question, "note", text)
    if page.limit == MOST_A_PAGE:
        return Finding(question, "good", f"{MOST_A_PAGE} orders, as the host says")
    return Finding(question, "assumed", f"{MOST_A_PAGE} orders; the shop has {length}, too few to see it")


def _on_fields(page: _Page) -> Finding:
    question = "fields"
    spare = sorted({name for row in page.rows if isinstance(row, dict) for name in row} - set(_FIELDS))
    if not page.rows:
        return Finding(question, "assumed", _NO_ORDERS)
    if spare:
        return Finding(question, "note", f"{spare[0]} came unasked, so that `fields_used` saves nothing")
    return Finding(question, "good", "only those that are asked for come")


def _on_dates(page: _Page, zone: str | None) -> Iterator[Finding]:
    """The zone of dates, and whether the list comes by them."""
    shown = [row.get("date_created") for row in page.rows if isinstance(row, dict)]
    texts = [text for text in shown if isinstance(text, str) and text]
    try:
        keys = [key for text in texts if (key := epoch_seconds(text, None)) is not None]
    except LookupError:
        keys = []
        if zone is None:
            text = "without a time zone, and none is set: reading ends with an error"
            yield Finding("dates", "bad", text, 'timezone = "Europe/Bucharest"')
        else:
            yield Finding("dates", "good", f"ISO 8601 without a time zone, in {zone} as is set")
    else:
        yield _on_plain_dates(texts, keys)
    if keys != sorted(keys):
        yield Finding("sort", "bad", "orders do not come by their date: they can't be read along it")
    elif len(set(keys)) < 2:
        yield Finding("sort", "assumed", "too few dates to see whether it takes effect")
    else:
        yield Finding("sort", "good", "takes effect, the oldest first")


def _on_plain_dates(texts: list[str], keys: list[int]) -> Finding:
    if not texts:
        return Finding("dates", "assumed", "no order shows one")
    if not keys:
        return Finding("dates", "bad", "no ISO 8601 dates: orders can't be read along them")
    return Finding("dates", "good", "ISO 8601 with their time zone")


def _on_unknown_filter(response: Response) -> Finding:
    question = "unknown filter"
    if response.is_success:
        text = "is passed over without a word: see whether those in `where` take effect"
        return Finding(question, "note", text)
    name = failure_of(response).name
    if name == UNDEFINED_FILTER:
        return Finding(question, "good", f"is refused as {UNDEFINED_FILTER}")
    return Finding(question, "good", f"is refused with {response.status}{f' {name}' if name else ''}")


def _on_future(response: Response, first: _Page) -> Finding:
    question = "created_after"
    rows = rows_of(decoded(response)) if response.is_success else None
    if rows is None:
        return Finding(
            question, "bad", f"was answered with {response.status}: orders can't be read by their date"
        )
    if rows:
        text = "orders came where only those after tomorrow were asked for: they can't be read by their date"
        return Finding(question, "bad", text)
    if not first.rows:
        return Finding(question, "assumed", _NO_ORDERS)
    return Finding(question, "good", "takes effect")


async def _on_products(transport: Transport, path: str) -> Finding:
    question = "products"
    instead = "the products that orders name are ordered-products"
    try:
        response = await _get(transport, path, {"start": "0", "limit": "1"})
    except CredentialsError:
        return Finding(question, "note", f"this key may not read them; {instead}")
    answer = decoded(response) if response.is_success else None
    if rows_of(answer) is None:
        text = f"{path} answered {response.status} without a list; {instead}"
        return Finding(question, "note", text, f'paths.products = "{path}"')
    total = whole_number(part(answer, "meta", "count", "total"))
    return Finding(question, "good", "answer" if total is None else f"answer, {total} in all")
