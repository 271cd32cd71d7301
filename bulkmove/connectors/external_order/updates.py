"""Updates of external orders that know what is there: each order is read before it is written."""

from __future__ import annotations

import re
from collections.abc import Sequence

import anyio
import orjson

from bulkmove.connectors.asking import path_with_id
from bulkmove.connectors.drf import refusals
from bulkmove.connectors.external_order import names
from bulkmove.connectors.external_order.dialect import Dialect, headers_for
from bulkmove.connectors.external_order.forms import holds, lines_beyond, with_ids
from bulkmove.connectors.fates import Kind
from bulkmove.connectors.json_text import as_text
from bulkmove.errors import BadAnswerError, BulkmoveError
from bulkmove.exact import decode_json, encode_json
from bulkmove.model import JsonObject, Request, Verdict, WriteItem, WriteResult
from bulkmove.protocols import KeepRows, Target, Transport

_WHOLE_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_NO_SUCH_ORDER = WriteResult(
    Verdict.REJECTED, cause="not-found", message="its id on the target names no order"
)
_LINES_LEFT = (
    "the order on the target has {left} more line(s) than it shall have, and updates take none away; "
    'delete them there, or set items_on_update = "replace" where updates are known to replace the lines'
)


async def changes(
    transport: Transport,
    dialect: Dialect,
    path: str,
    items: Sequence[WriteItem],
    *,
    keeps_lines: bool = True,
    keep_before: KeepRows | None = None,
    lines: Target | None = None,
) -> list[bytes | WriteResult]:
    """For each item the JSON to send, or its result where nothing is to be sent.

    `keeps_lines`: the lines that are there are kept, each with its id; else those that are sent replace them. `keep_before`
    is handed the rows that are to be changed. `lines` deletes those of a row that its body has no match for. The rows are
    read side by side; the transport keeps the host's limits. The first error ends all reading.
    """
    read: dict[int, bytes | WriteResult] = {}
    changed: list[tuple[str, JsonObject]] = []
    failed: list[BulkmoveError] = []

    async def read_one(place: int, item: WriteItem) -> None:
        try:
            row = await _read(transport, dialect, path, item)
            if lines is not None and isinstance(row, dict):
                row = await _without_lines_beyond(lines, item, row)
        except BulkmoveError as error:
            # Kept, so that it leaves the task group as itself and not within a group of errors.
            failed.append(error)
            group.cancel_scope.cancel()
        else:
            read[place] = outcome = (
                row if isinstance(row, WriteResult) else _change(dialect, item, row, keeps_lines=keeps_lines)
            )
            if isinstance(row, dict) and isinstance(outcome, bytes):
                changed.append((item.target_id or "", row))

    async with anyio.create_task_group() as group:
        for place, item in enumerate(items):
            group.start_soon(read_one, place, item, name=f"read order {place} of a batch before its update")
    if failed:
        raise failed[0]
    if keep_before is not None and changed:
        await keep_before(changed)
    return [read[place] for place in range(len(items))]


async def _read(
    transport: Transport, dialect: Dialect, row_path: str, item: WriteItem
) -> JsonObject | WriteResult:
    target_id = item.target_id or ""
    try:
        path = path_with_id(row_path, target_id)
    except ValueError:
        return _NO_SUCH_ORDER
    headers = headers_for(transport.host)
    request = Request("GET", path, headers=headers, is_repeatable=True, decode=decode_json)
    response = await transport.send(request)
    if response.status == 404 and not _WHOLE_NUMBER.fullmatch(target_id):
        # Such hosts tell an id that is no number from their paths alone, as they do an unknown address.
        return _NO_SUCH_ORDER
    if not response.is_success:
        return refusals(transport.host.name, request, response, [item], kind=Kind.UPDATE)[0]
    row = dialect.read(response.data)
    if not isinstance(row, dict) or as_text(row.get(names.ID)) != target_id:
        raise BadAnswerError(
            f"{transport.host.name}: GET {row_path} answered with something else than the order; "
            f"check hosts.{transport.host.name}.paths.order"
        )
    return row


async def _without_lines_beyond(lines: Target, item: WriteItem, row: JsonObject) -> JsonObject | WriteResult:
    """The row once the lines are gone that the body has no match for; what the host said where it kept one."""
    beyond = lines_beyond(item.body, row)
    for line_id in beyond:
        [result] = await lines.write([WriteItem(as_text(line_id), {}, b"{}")])
        if result.verdict not in {Verdict.WRITTEN, Verdict.UNCHANGED}:
            return WriteResult(Verdict.REJECTED, cause=result.cause, message=result.message)
    left = [line for line in row.get(names.ITEMS) or () if line.get(names.ID) not in beyond]
    return {**row, names.ITEMS: left} if beyond else row


def _change(dialect: Dialect, item: WriteItem, row: JsonObject, *, keeps_lines: bool) -> bytes | WriteResult:
    """What is to be sent so that the row becomes the body; or that it is so already, or can't become it."""
    if holds(row, item.body):
        return WriteResult(Verdict.UNCHANGED, target_id=item.target_id)
    if not keeps_lines:
        return with_id(dialect, item)
    body, left = with_ids(item.body, row)
    if left:
        return WriteResult(Verdict.REJECTED, cause="lines-left", message=_LINES_LEFT.format(left=left))
    return with_id(dialect, item, None if body == item.body else body)


def with_id(dialect: Dialect, item: WriteItem, body: JsonObject | None = None) -> bytes:
    """As `encoded_for`, with the id in front. An id of digits is sent as a number (documented), another as text."""
    target_id = item.target_id or ""
    shown = target_id.encode() if _WHOLE_NUMBER.fullmatch(target_id) else orjson.dumps(target_id)
    head = b'{"' + dialect.name(names.ID).encode() + b'":' + shown
    encoded = encoded_for(dialect, item, body)
    return head + (b"}" if encoded == b"{}" else b"," + encoded[1:])


def encoded_for(dialect: Dialect, item: WriteItem, body: JsonObject | None = None) -> bytes:
    """The item's body, or another in its place, as JSON for the host: the bytes that are there where they will do."""
    if body is None and dialect.is_underscored:
        return item.encoded
    return encode_json(dialect.written(item.body if body is None else body))
