"""What five read-only calls tell of a Robosize host: how it pages, and what becomes of an address without its slash."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from bulkmove.connectors.asking import paths_of
from bulkmove.connectors.robosize.forms import ID, MOST_A_PAGE, NATURAL_KEY
from bulkmove.connectors.robosize.operations import HEADERS, PATHS
from bulkmove.connectors.robosize.source import ListSource
from bulkmove.errors import BadAnswerError, ConfigError
from bulkmove.model import Finding, Page, PageQuery, Request
from bulkmove.protocols import Transport

_ASKED = 1000


async def findings_of(transport: Transport) -> list[Finding]:
    """A Finding a question, of products and orders. Raises what says that the host can't be asked at all."""
    findings: list[Finding] = []
    for stream in ("products", "orders"):
        findings += await _look_at(stream, transport)
    return [*findings, await _slash(transport)]


async def _look_at(stream: str, transport: Transport) -> list[Finding]:
    """At most two calls: a page longer than any that is documented, and the row after its first."""
    source = ListSource(transport, stream)
    found = partial(Finding, f"{stream}: list")
    try:
        page = await source.fetch(PageQuery(limit=_ASKED))
        findings = [*_envelope(stream, page), _longest_page(stream, page), *_rows(stream, page)]
        if len(page.records) > 1:
            findings.append(_offset(stream, page, await source.fetch(PageQuery(limit=1, offset=1))))
    except (ConfigError, BadAnswerError) as error:
        return [found("bad", str(error), f'paths = {{ {stream} = "{PATHS[stream]}" }}')]
    return findings


def _envelope(stream: str, page: Page) -> Iterator[Finding]:
    missing = [name for name, value in (("count", page.total), ("next", page.has_next)) if value is None]
    if missing:
        text = (
            f"answers without {' and '.join(missing)}: only readings that agree tell that it was read whole"
        )
        yield Finding(f"{stream}: list", "note", text)
    elif page.has_next is False and page.total is not None and page.total > len(page.records):
        text = f"counts {page.total}, sends {len(page.records)} and says that there is no more"
        yield Finding(f"{stream}: list", "bad", text)
    else:
        yield Finding(f"{stream}: list", "good", f"counts {page.total}, and says whether more follows")


def _longest_page(stream: str, page: Page) -> Finding:
    question, rows = f"{stream}: longest page", len(page.records)
    if rows > _ASKED:
        return Finding(question, "bad", f"{rows} rows came where {_ASKED} were asked for: no effect of limit")
    if rows == _ASKED:
        return Finding(question, "good", f"{_ASKED} rows come at once; {MOST_A_PAGE} are asked for")
    if page.has_next or (page.total or 0) > rows:
        text = f"cut to {rows} rows without a word; {MOST_A_PAGE} are asked for, and what comes counts"
        return Finding(question, "note", text)
    return Finding(question, "assumed", f"all {rows} rows fit into one page: a limit could not be seen")


def _rows(stream: str, page: Page) -> Iterator[Finding]:
    total = len(page.records)
    if without := sum(record.id is None for record in page.records):
        yield Finding(f"{stream}: rows", "bad", f"{without} of {total} have no {ID}: they can't be updated")
    if without := sum(record.data.get(NATURAL_KEY) in (None, "") for record in page.records):
        text = f"{without} of {total} have no {NATURAL_KEY}: they can't be found by it"
        yield Finding(f"{stream}: rows", "note", text)


def _offset(stream: str, page: Page, next_page: Page) -> Finding:
    question = f"{stream}: offset"
    first, second = page.records[0], page.records[1]
    at_one: Sequence[str | None] = [record.id for record in next_page.records]
    if at_one == [second.id] and second.id != first.id:
        return Finding(question, "good", "takes effect")
    if at_one[:1] == [first.id]:
        return Finding(question, "bad", "the row at offset 1 is the one at offset 0: no effect")
    if len(at_one) > 1:
        return Finding(question, "bad", f"{len(at_one)} rows came where 1 was asked for: no effect of limit")
    return Finding(question, "note", "takes effect, but rows moved or changed places between two calls")


async def _slash(transport: Transport) -> Finding:
    """Whether an address without its slash redirects, which would turn a write into a read."""
    paths = paths_of(transport.host, PATHS)
    bare = [name for name, path in paths.items() if not path.endswith("/")]
    if bare:
        shown = ", ".join(f'{name} = "{PATHS[name]}"' for name in bare)
        return Finding("slash", "bad", f"paths without one: {', '.join(bare)}", f"paths = {{ {shown} }}")
    path = paths["products"].rstrip("/")
    request = Request("GET", path, {"limit": "1"}, headers=HEADERS, is_repeatable=True)
    try:
        answer = await transport.send(request)
    except ConfigError:
        return Finding("slash", "good", "addresses without one redirect; all paths have it")
    if answer.is_success:
        return Finding("slash", "good", "addresses answer with and without one; all paths have it")
    return Finding("slash", "good", f"addresses without one answer {answer.status}; all paths have it")
