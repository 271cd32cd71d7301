"""A single call as the command line makes it: shown, asked for, sent, and its answer shown."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import anyio
import click
import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bulkmove.cli.asking import confirmed
from bulkmove.cli.by_hand import stdout_is_gone, tell_pause
from bulkmove.cli.exchange import (
    Hide,
    body_of,
    headers_of,
    hider,
    pretty,
    show_answer,
    show_json,
    show_request,
    show_text,
)
from bulkmove.cli.exits import tell
from bulkmove.cli.options import Output
from bulkmove.errors import BadAnswerError, ConfigError, RefusedError
from bulkmove.exact import encode_json
from bulkmove.model import Request, Response
from bulkmove.pipeline.hosts import Call, answer_to
from bulkmove.report.telling import stdout_console


@dataclass(frozen=True, slots=True)
class Performance:
    """One call, ready to be sent."""

    call: Call
    request: Request
    output: Output

    @property
    def is_shown(self) -> bool:
        """Whether request, status and headers are told on stderr."""
        return not (self.output.quiet or self.output.as_json or self.output.log_format == "json")


def perform(performance: Performance, *, yes: bool) -> None:
    """Show, ask, send, show. Raises RefusedError for a 4xx and BadAnswerError for a 2xx that is no JSON, once it was shown.

    Raises ConfigError where nobody can be asked about a write, or the answer was no.
    """
    call, request = performance.call, performance.request
    hide = hider(call.host, call.api.sign(call.host.credentials))
    needs_answer = call.operation.is_write and not yes
    if performance.is_shown or needs_answer:
        show_request(Console(stderr=True, highlight=False), call, request, hide)
    if needs_answer:
        _ask(call)
    started = time.monotonic()
    try:
        response = anyio.run(lambda: answer_to(call, request, on_pause=tell_pause))
    except KeyboardInterrupt:
        if call.operation.is_write:
            tell("it may have been sent: whether it was done is not known until the host is looked at")
        raise
    _show(performance, response, hide, took_s=time.monotonic() - started)


def _ask(call: Call) -> None:
    if not sys.stdin.isatty():
        raise ConfigError(
            f"{call.operation.name} writes to {call.host.name}; nobody can be asked here: --yes says that it is meant"
        )
    if not confirmed(f"Send it to {call.host.name}?"):
        raise ConfigError("nothing was sent")


def _show(performance: Performance, response: Response, hide: Hide, *, took_s: float) -> None:
    call, request = performance.call, performance.request
    value, is_json = body_of(response.body)
    if performance.is_shown:
        stderr = Console(stderr=True, highlight=False)
        show_answer(stderr, response, _reason(response.status), hide, took_s=took_s)
    try:
        if performance.output.as_json:
            click.echo(encode_json(_as_object(performance, response, hide)))
        elif value is not None:
            _print_body(hide(value), is_json=is_json)
    except BrokenPipeError:
        stdout_is_gone()
    where = f"{call.host.name}: {request.method} {hide(response.asked or request.path)} answered {response.status}"
    if not response.is_success:
        raise RefusedError(where, status=response.status)
    if not is_json:
        doubt = "; look at the host whether it was done" if call.operation.is_write else ""
        raise BadAnswerError(f"{where} with something that is no JSON{doubt}")


def _print_body(value: Any, *, is_json: bool) -> None:
    if sys.stdout.isatty():
        (show_json if is_json else show_text)(Console(highlight=False), value)
    else:
        click.echo(pretty(value) if is_json else value)


def _as_object(performance: Performance, response: Response, hide: Hide) -> dict[str, Any]:
    request = performance.request
    return {
        "type": "call",
        "host": performance.call.host.name,
        "operation": performance.call.operation.name,
        "request": {
            "method": request.method,
            "path": hide(request.path),
            "query": hide(dict(request.params)),
            "body": hide(body_of(request.body)[0]),
        },
        "response": {
            "status": response.status,
            "headers": headers_of(response, hide),
            "body": hide(body_of(response.body)[0]),
        },
    }


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def list_calls(calls: list[Call], *, as_json: bool) -> None:
    """A host's calls as a table, or as one object."""
    if as_json:
        host = calls[0].host
        listed = {
            "type": "operations",
            "host": host.name,
            "api": host.api,
            "operations": list(map(_described, calls)),
        }
        click.echo(orjson.dumps(listed))
        return
    console = stdout_console()
    cells = [_HEAD, *map(_cells, calls)]
    if sum(max(map(len, column)) + _GAP for column in zip(*cells, strict=True)) > console.width:
        _list_in_two_lines(console, calls)
    else:
        _list_in_one_line(console, calls)
    note = "needed parameters are marked *; --param name=value"
    console.print(Text(note, "dim"), soft_wrap=True)


_HEAD = ("operation", "method", "path", "path is", "parameters")
_GAP = 2


def _list_in_one_line(console: Console, calls: Sequence[Call]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in _HEAD:
        table.add_column(name, no_wrap=True)
    for call in calls:
        table.add_row(
            Text(call.operation.name, "cyan"),
            Text(call.operation.method, "bold" if call.operation.is_write else ""),
            Text(call.path),
            _path_is(call),
            Text(_parameters(call)),
        )
    console.print(table)


def _list_in_two_lines(console: Console, calls: Sequence[Call]) -> None:
    """For a terminal that is too narrow: what a call is told hangs below it, and no path is broken."""
    names, methods = (max(len(row[place]) for row in map(_cells, calls)) for place in (0, 1))
    gap = " " * _GAP
    for call in calls:
        line = Text.assemble(
            (f"{call.operation.name:{names}}{gap}", "cyan"),
            (f"{call.operation.method:{methods}}{gap}", "bold" if call.operation.is_write else ""),
            call.path,
        )
        console.print(line, soft_wrap=True)
        below = _path_is(call)
        if told := _parameters(call):
            below.append(f": {told}", "default")
        lines = below.wrap(console, max(console.width - 2 * _GAP, _GAP))
        for each in lines:
            console.print(Text(gap * 2) + each, soft_wrap=True)


def _cells(call: Call) -> tuple[str, ...]:
    return call.operation.name, call.operation.method, call.path, call.path_is, _parameters(call)


def _path_is(call: Call) -> Text:
    return Text(call.path_is, "yellow" if call.path_is == "unconfirmed" else "")


def _parameters(call: Call) -> str:
    named = [each.name + "*" * each.is_required for each in call.operation.parameters]
    body = [] if call.operation.body == "none" else [f"--body {call.operation.body}"]
    return ", ".join(named + body)


def _described(call: Call) -> dict[str, object]:
    operation = call.operation
    return {
        "name": operation.name,
        "summary": operation.summary,
        "method": operation.method,
        "path": call.path,
        "path_is": call.path_is,
        "body": operation.body,
        "is_repeatable": operation.is_repeatable,
        "parameters": [
            {
                "name": each.name,
                "summary": each.summary,
                "in": "path" if each.is_in_path else "query",
                "is_required": each.is_required,
                "choices": list(each.choices),
            }
            for each in operation.parameters
        ],
    }
