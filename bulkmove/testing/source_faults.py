"""What a Source promises of a host that misbehaves: it raises what its contract names, and takes nothing for a page."""

from __future__ import annotations

import orjson

from bulkmove.connectors.scripted import answer
from bulkmove.errors import (
    BadAnswerError,
    ConfigError,
    CredentialsError,
    HostUnavailableError,
    RequestFailedError,
)
from bulkmove.model import PageQuery, Request, Response
from bulkmove.testing.faulty import FaultyTransport, Instead
from bulkmove.testing.running import NotKeptError, not_given
from bulkmove.testing.trials import SourceTrial

_NO_LISTS = (b"17", b'"text"', b"null", b"true", b'{"unexpected": 1}', b'{"error": {"message": "no"}}')
_NO_JSON = (b"<html>Maintenance</html>", b"", b'{"data": [{"id": "1"', b"\xff\xfe")
_REFUSALS = (400, 404, 405, 409, 410, 418, 422, 451)


async def another_answer_than_a_list_is_a_bad_answer(trial: SourceTrial) -> None:
    transport = _transport(trial)
    for body in _NO_LISTS:
        with transport.answering(_json(200, body)):
            await _must_raise(trial, f"a 200 with {body.decode()}", BadAnswerError, ConfigError)


async def a_list_of_what_are_no_rows_does_no_harm(trial: SourceTrial) -> None:
    """Rows are objects. What else stands in a list is a row without a name, or a bad answer; never another exception."""
    transport = _transport(trial)

    def spoil(_: Request, response: Response) -> Response:
        return answer(response.status, _with_odd_rows(orjson.loads(response.body)))

    with transport.changing(spoil):
        try:
            page = await trial.source.fetch(PageQuery(5))
        except BadAnswerError:
            return
        except Exception as error:
            raise NotKeptError(
                f"numbers and texts in the place of rows became {type(error).__name__}"
            ) from error
    named = [record.id for record in page.records if not isinstance(record.data, dict)]
    if named or any(record.id not in {None, *trial.ids} for record in page.records):
        raise NotKeptError("numbers and texts in the place of rows became records of their own")


async def a_body_that_is_no_json_fails_the_request(trial: SourceTrial) -> None:
    """So the request has a `decode`, which refuses it, and the transport tries again."""
    transport = _transport(trial)
    for body in _NO_JSON:
        with transport.answering(_json(200, body)):
            await _must_raise(trial, "a 200 that is no JSON", RequestFailedError, BadAnswerError)


async def a_refused_page_is_no_empty_page(trial: SourceTrial) -> None:
    transport = _transport(trial)
    for status in _REFUSALS:
        for body in (b'{"detail": "no"}', b"<html>no</html>"):
            with transport.answering(_json(status, body)):
                await _must_raise(trial, f"a {status}", BadAnswerError, ConfigError)


async def what_the_transport_raises_comes_out_as_it_is(trial: SourceTrial) -> None:
    transport = _transport(trial)
    for error in (
        HostUnavailableError("gone"),
        RequestFailedError("fails"),
        CredentialsError("refused"),
        ConfigError("redirected"),
    ):
        with transport.answering(_raised(error)):
            await _must_raise(trial, type(error).__name__, type(error))


async def reading_can_be_repeated(trial: SourceTrial) -> None:
    """Every request of a page is one that may be sent twice."""
    transport = _transport(trial)
    await trial.source.fetch(PageQuery(5))
    if any(request.method != "GET" or not request.is_repeatable for request in transport.requests):
        raise NotKeptError("a page was asked for by a request that is not marked as repeatable")


async def after_a_fault_it_is_as_before(trial: SourceTrial) -> None:
    transport = _transport(trial)
    for fault in (_json(200, b"{}"), _json(404, b"{}"), _raised(RequestFailedError("fails"))):
        with transport.answering(fault):
            try:
                await trial.source.fetch(PageQuery(5))
            except (BadAnswerError, ConfigError, RequestFailedError):
                pass
            else:
                raise NotKeptError("a fault of the host was taken for a page")
        page = await trial.source.fetch(PageQuery(trial.source.listing.page_limit))
        if {record.id for record in page.records} != set(trial.ids):
            raise NotKeptError("after a fault of the host, the list is not read whole any more")


CHECKS = (
    another_answer_than_a_list_is_a_bad_answer,
    a_list_of_what_are_no_rows_does_no_harm,
    a_body_that_is_no_json_fails_the_request,
    a_refused_page_is_no_empty_page,
    what_the_transport_raises_comes_out_as_it_is,
    reading_can_be_repeated,
    after_a_fault_it_is_as_before,
)


def _transport(trial: SourceTrial) -> FaultyTransport:
    if trial.transport is None:
        not_given("transport")
    return trial.transport


def _json(status: int, body: bytes) -> Instead:
    return lambda _: answer(status, body)


def _raised(error: Exception) -> Instead:
    return lambda _: error


async def _must_raise(trial: SourceTrial, fault: str, *errors: type[Exception]) -> None:
    names = " or ".join(error.__name__ for error in errors)
    try:
        page = await trial.source.fetch(PageQuery(5))
    except errors:
        return
    except Exception as error:
        raise NotKeptError(f"{fault} became {type(error).__name__}: {error}, not {names}") from error
    raise NotKeptError(f"{fault} became a page of {len(page.records)} rows, not {names}")


def _with_odd_rows(value: object) -> object:
    """The answer with a number, a text and null in each of its lists of rows."""
    if isinstance(value, list):
        return [17, "text", None, *value]
    if isinstance(value, dict):
        return {
            name: _with_odd_rows(inner) if isinstance(inner, list) else inner for name, inner in value.items()
        }
    return value
