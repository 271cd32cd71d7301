"""What a Target promises whatever a host answers to a write: nothing is taken for done that may not be, or the reverse."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from bulkmove.connectors.scripted import answer
from bulkmove.errors import (
    BadAnswerError,
    BulkmoveError,
    ConfigError,
    CredentialsError,
    HostUnavailableError,
    InDoubtError,
    RequestFailedError,
)
from bulkmove.model import Request, Response, Verdict, WriteItem, WriteResult
from bulkmove.testing.faulty import FaultyTransport, Instead
from bulkmove.testing.rows import item_of, new_items, standing, written
from bulkmove.testing.running import NotKeptError, not_given
from bulkmove.testing.trials import TargetTrial

_TELLS_NOTHING = (b"{}", b"[]", b'"text"', b"17", b"null", b'{"unexpected": 1}')
_NAMES_NOBODY = (
    b'{"detail": "no"}',
    b"{}",
    b"[]",
    b"null",
    b"<html>no</html>",
    b'"text"',
    b'{"9999": {"x": ["no"]}}',
)
_REFUSALS = (400, 409, 413, 415, 422)
_OTHER_REFUSALS = (402, 404, 405, 410, 418, 421, 451)
_SURELY_NOT_DONE = frozenset({Verdict.REJECTED, Verdict.HELD, Verdict.TOO_LARGE})


async def a_create_whose_answer_shows_nothing_is_in_doubt(trial: TargetTrial) -> None:
    transport = _transport(trial)
    for items in _batches(trial):
        for body in _TELLS_NOTHING:
            with transport.answering(_to_writes(answer(200, body))):
                told = await written(trial, items)
            if isinstance(told, InDoubtError):
                continue
            shown = body.decode()
            if isinstance(told, BulkmoveError):
                raise NotKeptError(
                    f"a 200 with {shown} to a create raised {type(told).__name__}, not InDoubtError"
                )
            if all(result.verdict is Verdict.DOUBT for result in told):
                raise NotKeptError("InDoubtError is to be raised where none of the items is settled")
            if any(result.verdict is not Verdict.DOUBT for result in told):
                raise NotKeptError(f"a 200 with {shown} to a create became {_names(told)}")


async def an_answer_that_is_cut_short_settles_no_more_than_it_shows(trial: TargetTrial) -> None:
    transport = _transport(trial)
    items = new_items(trial)
    if len(items) == 1:
        not_given("rule by which one request creates several rows")

    def cut(_: Request, response: Response) -> Response:
        rows = orjson.loads(response.body)
        return answer(response.status, rows[: len(rows) // 2] if isinstance(rows, list) else {})

    with transport.changing(
        lambda request, response: response if request.method == "GET" else cut(request, response)
    ):
        told = await written(trial, items)
    if isinstance(told, InDoubtError):
        return
    if isinstance(told, BulkmoveError):
        raise NotKeptError(f"an answer that is shorter than what was sent raised {type(told).__name__}")
    verdicts = {result.verdict for result in told}
    if not verdicts <= {Verdict.WRITTEN, Verdict.DOUBT} or Verdict.DOUBT not in verdicts:
        raise NotKeptError(f"of rows that were all created, an answer that shows half made {_names(told)}")


async def a_refusal_that_names_nobody_is_everybodys(trial: TargetTrial) -> None:
    """A 400 without a shape: a batch is held, to go again in parts; what went alone is refused for its own sake."""
    transport = _transport(trial)
    for items in (*_batches(trial), *await _update_batches(trial)):
        for body in _NAMES_NOBODY:
            with transport.answering(_to_writes(answer(400, body))):
                told = await written(trial, items)
            if isinstance(told, BulkmoveError):
                raise NotKeptError(f"a 400 is not an error, and raised {type(told).__name__}: {told}")
            wanted = {Verdict.HELD} if len(items) > 1 else _SURELY_NOT_DONE
            if any(result.verdict not in wanted for result in told):
                raise NotKeptError(f"a 400 that names none of {len(items)} items made {_names(told)}")


async def a_refused_write_is_never_written(trial: TargetTrial) -> None:
    transport = _transport(trial)
    for items in (*_batches(trial), *await _update_batches(trial)):
        for status in (*_REFUSALS, *_OTHER_REFUSALS):
            for body in (b'{"detail": "no"}', b"<html>no</html>"):
                with transport.answering(_to_writes(answer(status, body))):
                    told = await written(trial, items)
                if isinstance(told, (ConfigError, BadAnswerError, InDoubtError, RequestFailedError)):
                    continue
                if isinstance(told, BulkmoveError):
                    raise NotKeptError(f"a {status} raised {type(told).__name__}: {told}")
                if any(result.verdict not in {*_SURELY_NOT_DONE, Verdict.DOUBT} for result in told):
                    raise NotKeptError(f"a {status} made {_names(told)}")


async def a_write_whose_fate_the_transport_cannot_tell_is_in_doubt(trial: TargetTrial) -> None:
    transport = _transport(trial)
    error = InDoubtError("no answer", sent_at=5.0)
    for items in (*_batches(trial), *await _update_batches(trial)):
        with transport.answering(_to_writes(error)):
            told = await written(trial, items)
        if not isinstance(told, InDoubtError):
            said = type(told).__name__ if isinstance(told, BulkmoveError) else _names(told)
            raise NotKeptError(f"a write that may be done or not became {said}, not InDoubtError")
        if told.sent_at != error.sent_at:
            raise NotKeptError("the time of the last send was lost")


async def what_the_transport_raises_of_a_write_comes_out(trial: TargetTrial) -> None:
    transport = _transport(trial)
    for items in (*_batches(trial), *await _update_batches(trial)):
        for error in (HostUnavailableError("gone"), CredentialsError("refused"), ConfigError("redirected")):
            with transport.answering(_to_writes(error)):
                told = await written(trial, items)
            if type(told) is not type(error):
                said = type(told).__name__ if isinstance(told, BulkmoveError) else _names(told)
                raise NotKeptError(f"{type(error).__name__} of the transport became {said}")


CHECKS = (
    a_create_whose_answer_shows_nothing_is_in_doubt,
    an_answer_that_is_cut_short_settles_no_more_than_it_shows,
    a_refusal_that_names_nobody_is_everybodys,
    a_refused_write_is_never_written,
    a_write_whose_fate_the_transport_cannot_tell_is_in_doubt,
    what_the_transport_raises_of_a_write_comes_out,
)


def _transport(trial: TargetTrial) -> FaultyTransport:
    if trial.transport is None:
        not_given("transport")
    return trial.transport


def _to_writes(given: Response | Exception) -> Instead:
    """Looks at rows are answered by the host; the write is not."""
    return lambda request: None if request.method == "GET" else given


def _batches(trial: TargetTrial) -> list[Sequence[WriteItem]]:
    """One new item alone, and several where a request carries them."""
    if not trial.bodies:
        return []
    items = new_items(trial)
    return [items[:1], items] if len(items) > 1 else [items]


async def _update_batches(trial: TargetTrial) -> list[Sequence[WriteItem]]:
    if trial.change is None:
        return []
    rows = list((await standing(trial)).items())[: trial.target.rules["update"].max_items]
    body = trial.change(rows[0][1])
    items = [item_of(body, row_id) for row_id, _ in rows]
    return [items[:1], items] if len(items) > 1 else [items]


def _names(results: Sequence[WriteResult]) -> str:
    return ", ".join(sorted({result.verdict.name for result in results}))
