"""One documented call, from its description to the request, and what its answer must be.

The typed methods of every `api.py` and `bulkmove call` make their requests here, so that there is one description
of each call: its `Operation`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import orjson

from bulkmove.connectors.asking import nearest, problem_of
from bulkmove.errors import ConfigError, RefusedError
from bulkmove.exact import decode_json_or_nothing, encode_json
from bulkmove.model import Json, Operation, Request, Response
from bulkmove.protocols import Transport

_PLACE = re.compile(r"\{(\w+)\}")
_MOST_OF_A_MESSAGE = 300
_PATHS_OF_THEIR_OWN = frozenset({"", ".", ".."})
_ENDS_A_PART = re.compile(r"[/\\?#\x00-\x1f]")


def request_of(
    operation: Operation,
    path: str,
    parameters: Mapping[str, str],
    *,
    body: bytes | None = None,
    headers: Mapping[str, str],
    decode: Callable[[bytes], Json] = decode_json_or_nothing,
) -> Request:
    """The request of a call. Raises ConfigError for parameters that it lacks, does not know, or that have no such value."""
    known = {parameter.name: parameter for parameter in operation.parameters}
    for name, value in parameters.items():
        if name not in known:
            raise ConfigError(f"{operation.name} takes no {name!r}{nearest(name, known)}")
        if problem := problem_of(known[name], value):
            raise ConfigError(f"{operation.name}: {name} = {problem}")
    missing = [each.name for each in known.values() if each.is_required and not parameters.get(each.name)]
    if missing:
        raise ConfigError(f"{operation.name} needs {' and '.join(missing)}")
    if (body is None) != (operation.body == "none"):
        raise ConfigError(f"{operation.name} {'takes no body' if body is not None else 'needs a body'}")
    return Request(
        method=operation.method,
        path=filled(path, parameters),
        params={name: value for name, value in parameters.items() if not known[name].is_in_path},
        body=body,
        headers=headers,
        is_repeatable=operation.is_repeatable,
        decode=decode,
    )


def filled(path: str, values: Mapping[str, str]) -> str:
    """A path with its `{places}` filled in. Raises ConfigError for a value that would name another path."""

    def fill_in(match: re.Match[str]) -> str:
        value = values.get(match[1], "")
        if value in _PATHS_OF_THEIR_OWN:
            raise ConfigError(f"{match[1]} = {value!r} can't stand in the path {path}")
        return quote(value, safe="")

    return _PLACE.sub(fill_in, path)


def check_places(operation: Operation, parameters: Mapping[str, str]) -> None:
    """Raises ConfigError for a part of the path, given by a person, that a host could take for more than one part.

    Escaped or not, many hosts read `..%2F7` as they read `../7`. Ids that a host showed are not asked about.
    """
    for parameter in operation.parameters:
        value = parameters.get(parameter.name)
        if parameter.is_in_path and value is not None and _ENDS_A_PART.search(value):
            raise ConfigError(
                f"{operation.name}: {parameter.name} = {value!r} can't stand in a path: it might name another"
            )


class Caller:
    """Makes the documented calls of one host, each by the name of its Operation."""

    def __init__(
        self,
        transport: Transport,
        operations: Mapping[str, Operation],
        paths: Mapping[str, str],
        headers: Mapping[str, str],
    ) -> None:
        self._transport = transport
        self._operations = operations
        self._paths = paths
        self._headers = headers

    async def send(self, name: str, parameters: Mapping[str, object] | None = None, body: Any = None) -> Json:
        """The decoded answer, None where it has no body.

        Parameters that are None are left out. Raises RefusedError for a 4xx, what `request_of` raises, and what
        Transport.send raises.
        """
        operation = self._operations[name]
        given = {key: _text(value) for key, value in (parameters or {}).items() if value is not None}
        check_places(operation, given)
        encoded = None if body is None else encode_json(body)
        headers = self._headers if encoded is None else {**self._headers, "Content-Type": "application/json"}
        request = request_of(operation, self._paths[operation.path], given, body=encoded, headers=headers)
        response = await self._transport.send(request)
        return accepted(self._transport, request, response)


def accepted(transport: Transport, request: Request, response: Response) -> Json:
    """The decoded body of a 2xx. Raises RefusedError for any other answer."""
    if response.is_success:
        return response.data
    raise RefusedError(
        f"{transport.host.name}: {request.method} {response.asked or request.path} answered {response.status}{_said(response)}",
        status=response.status,
    )


def _said(response: Response) -> str:
    """What a JSON answer says of a failure; nothing of HTML."""
    try:
        said = orjson.dumps(orjson.loads(response.body)).decode()
    except ValueError:
        return ""
    return f": {said if len(said) <= _MOST_OF_A_MESSAGE else said[:_MOST_OF_A_MESSAGE] + '…'}"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple | set | frozenset):
        return ",".join(map(_text, value))
    return str(value)
