"""Every check of a Target finds the one thing that is broken for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from bulkmove.errors import BadAnswerError, HostUnavailableError, InDoubtError, RequestFailedError
from bulkmove.model import JsonObject, Request, Response, Verdict, WriteItem, WriteResult
from bulkmove.testing import (
    Check,
    DeletionTrial,
    FaultyTransport,
    NotKeptError,
    StagedTrial,
    TargetTrial,
    deletion_checks,
    run_check,
    staged_checks,
    target_checks,
)
from tests.conformance import ours
from tests.conformance.broken import SAID, Broken
from tests.conformance.cases import cases, hold
from tests.conformance.tiny import BAD, TinyHost, TinyTarget, bodies, deleting

Instead = Mapping[str, Callable[..., Any]]
CHECKS = {check.__name__: check for check in target_checks()}
DELETIONS = {check.__name__: check for check in deletion_checks()}
STAGED = {check.__name__: check for check in staged_checks()}


def results(change: Callable[[Sequence[WriteItem], list[WriteResult]], list[WriteResult]]) -> Instead:
    """What a write gave, changed."""

    async def write(target: TinyTarget, items: Sequence[WriteItem]) -> list[WriteResult]:
        return change(items, list(await target.write(items)))

    return {"write": write}


def sent(change: Callable[[WriteItem], WriteItem]) -> Instead:
    """Something else than what was to be written."""

    async def write(target: TinyTarget, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        return await target.write([change(item) for item in items])

    return {"write": write}


def verdicts(change: Callable[[WriteResult], WriteResult]) -> Instead:
    return results(lambda _, told: [change(each) for each in told])


def all_are(verdict: Verdict) -> Callable[[Sequence[WriteItem], list[WriteResult]], list[WriteResult]]:
    return lambda _, told: [each._replace(verdict=verdict) for each in told]


def requests(change: Callable[[Request], Request]) -> Instead:
    """Requests other than those of the connector."""

    async def write(target: TinyTarget, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        send = target.transport.send

        async def changed(request: Request) -> Response:
            return await send(change(request) if request.method != "GET" else request)

        other = FaultyTransport(target.transport)
        other.send = changed  # type: ignore[method-assign]
        return await replace(target, transport=other).write(items)

    return {"write": write}


def failing(error: type[Exception], then: Callable[[Sequence[WriteItem]], Sequence[WriteResult]]) -> Instead:
    async def write(target: TinyTarget, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        try:
            return await target.write(items)
        except error:
            return then(items)

    return {"write": write}


def compared(change: Callable[[JsonObject], JsonObject]) -> Instead:
    return {"comparable": lambda _, row: change(row)}


async def one_by_one(target: TinyTarget, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
    return [result for item in items for result in await target.write([item])]


async def to_all_rows(target: TinyTarget, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
    if items[0].target_id is not None:
        await target.transport.send(Request("PATCH", "/rows", body=items[0].encoded, is_repeatable=True))
    return await target.write(items)


def by_any_id(items: Sequence[WriteItem]) -> Sequence[WriteResult]:
    return [WriteResult(Verdict.WRITTEN, target_id=item.target_id) for item in items]


async def without_looking_at_ids(target: TinyTarget, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
    if items[0].target_id is None:
        return await target.write(items)
    path = f"/rows/{items[0].target_id}"
    await target.transport.send(Request("PATCH", path, body=items[0].encoded, is_repeatable=True))
    return by_any_id(items)


async def making_what_is_missing(target: TinyTarget, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
    told = await target.write(items)
    if items[0].target_id is not None and told[0].verdict is Verdict.REJECTED:
        await target.write([item._replace(target_id=None) for item in items])
    return told


async def the_first_alone(target: TinyTarget, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
    if items[0].target_id is None:
        return await target.write(items)
    await target.write(items[:1])
    return by_any_id(items)


async def a_400_is_an_error(target: TinyTarget, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
    told = await target.write(items)
    if all(each.verdict is Verdict.HELD for each in told):
        raise BadAnswerError("the host refused it")
    return told


async def every_answer_is_a_success(target: TinyTarget, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
    try:
        return await target.write(items)
    except BadAnswerError:
        return by_any_id(items)


def counting() -> Instead:
    numbers = count()
    return sent(lambda item: item._replace(body={**item.body, "note": f"{next(numbers)}"}))


def without_a_place(item: WriteItem, **fields: Any) -> WriteItem:
    return item if item.target_id is None else item._replace(body={**item.body, **fields})


def pops_its_id(row: JsonObject) -> JsonObject:
    row.pop("note", None)
    return {name: value for name, value in row.items() if name not in {"id", "at", "secret"}}


BROKEN: dict[str, Callable[[], Instead]] = {
    "its_rules_name_both_actions": lambda: {"rules": lambda target: {"create": target.rules["create"]}},
    "what_was_created_is_on_the_list": lambda: verdicts(lambda each: each._replace(target_id="1")),
    "there_is_a_result_for_each_item_in_its_order": lambda: results(lambda _, told: told[::-1]),
    "one_write_is_one_request": lambda: {"write": one_by_one},
    "what_was_written_equals_its_row": lambda: compared(
        lambda row: {name: value for name, value in row.items() if name not in {"id", "at", "secret"}}
    ),
    "bodies_that_differ_compare_as_different": lambda: compared(lambda _: {}),
    "comparing_changes_nothing": lambda: compared(pops_its_id),
    "what_never_comes_back_is_not_compared": lambda: compared(dict),
    "the_natural_key_comes_back": lambda: {"natural_key": lambda _: "secret"},
    "a_refused_item_costs_itself_alone": lambda: results(
        lambda items, told: all_are(Verdict.REJECTED)(items, told) if told[1:2] and told[1].cause else told
    ),
    "a_refused_item_alone_is_refused": lambda: verdicts(lambda each: each._replace(message=None)),
    "a_refusal_shows_nothing_of_the_body": lambda: results(
        lambda items, told: [each._replace(message=f"no {items[0].body.get('ref')}") for each in told]
    ),
    "an_update_changes_its_row_and_no_other": lambda: {"write": to_all_rows},
    "an_update_leaves_other_fields": lambda: sent(lambda item: without_a_place(item, ref="another")),
    "what_is_called_repeatable_can_be_repeated": counting,
    "requests_say_what_the_rules_say": lambda: requests(lambda request: replace(request, is_repeatable=True)),
    "the_id_never_travels_in_an_updates_body": lambda: sent(
        lambda item: without_a_place(item, id=int(item.target_id or 0))
    ),
    "a_row_that_is_not_there_is_not_made": lambda: {"write": making_what_is_missing},
    "an_odd_id_names_no_other_row": lambda: {"write": without_looking_at_ids},
    "one_request_changes_as_many_rows_as_its_rule_says": lambda: {"write": the_first_alone},
    "a_create_whose_answer_shows_nothing_is_in_doubt": lambda: failing(InDoubtError, by_any_id),
    "an_answer_that_is_cut_short_settles_no_more_than_it_shows": lambda: verdicts(
        lambda each: each._replace(verdict=Verdict.HELD) if each.verdict is Verdict.DOUBT else each
    ),
    "a_refusal_that_names_nobody_is_everybodys": lambda: {"write": a_400_is_an_error},
    "a_refused_write_is_never_written": lambda: {"write": every_answer_is_a_success},
    "a_write_whose_fate_the_transport_cannot_tell_is_in_doubt": lambda: failing(
        InDoubtError, lambda items: [WriteResult(Verdict.HELD)] * len(items)
    ),
    "what_the_transport_raises_of_a_write_comes_out": lambda: failing(
        HostUnavailableError, lambda items: [WriteResult(Verdict.DOUBT)] * len(items)
    ),
}


@asynccontextmanager
async def tiny(instead: Instead | None = None, *, joined: bool = False) -> AsyncIterator[TargetTrial]:
    transport = TinyHost.of(3).transport()
    target = TinyTarget(transport, joined=joined)
    yield TargetTrial(
        target if instead is None else Broken(target, instead),
        bodies(),
        change=lambda _: {"note": "changed"},
        bad=BAD,
        transport=transport,
    )


JOINED = {"one_request_changes_as_many_rows_as_its_rule_says"}


ALL = {"one by one": (tiny, "joining"), "joined": (lambda: tiny(joined=True), "single updates")}


@pytest.mark.parametrize(("opened", "check"), cases(target_checks(), ALL))
def test_a_target_that_keeps_all_promises_passes(opened: Any, check: Check[TargetTrial]) -> None:
    hold(check, opened)


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_finds_what_is_broken(name: str) -> None:
    with pytest.raises(NotKeptError, match=SAID):
        run_check(CHECKS[name], lambda: tiny(BROKEN[name](), joined=name in JOINED))


# Deletions


async def two_at_once(target: Any, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
    await target.write([items[0]._replace(target_id="5")])
    told: Sequence[WriteResult] = await target.write(items)
    return told


async def an_empty_id_is_the_list(target: Any, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
    if items[0].target_id == "":
        await target._transport.send(Request("DELETE", "/rows", is_repeatable=True))
    told: Sequence[WriteResult] = await target.write(items)
    return told


BROKEN_DELETIONS: dict[str, Instead] = {
    "a_deleted_row_is_gone_and_no_other": {"write": two_at_once},
    "a_deletion_can_be_repeated": verdicts(
        lambda each: each._replace(verdict=Verdict.REJECTED) if each.verdict is Verdict.UNCHANGED else each
    ),
    "what_never_was_there_is_not_taken_for_deleted": failing(
        RequestFailedError, lambda items: [WriteResult(Verdict.UNCHANGED)] * len(items)
    ),
    "an_odd_id_deletes_nothing": {"write": an_empty_id_is_the_list},
    "a_body_is_not_written_where_rows_are_deleted": verdicts(
        lambda each: each._replace(verdict=Verdict.WRITTEN)
    ),
}


@asynccontextmanager
async def tiny_deletions(instead: Instead | None = None) -> AsyncIterator[DeletionTrial]:
    transport = TinyHost.of(6).transport()
    target = deleting(transport)
    yield DeletionTrial(target if instead is None else Broken(target, instead), ["1", "2", "3"], transport)


@pytest.mark.parametrize("name", DELETIONS)
def test_a_target_that_deletes_and_keeps_all_promises_passes(name: str) -> None:
    run_check(DELETIONS[name], tiny_deletions)


@pytest.mark.parametrize("name", DELETIONS)
def test_a_check_of_deletions_finds_what_is_broken(name: str) -> None:
    with pytest.raises(NotKeptError, match=SAID):
        run_check(DELETIONS[name], lambda: tiny_deletions(BROKEN_DELETIONS[name]))


# Lists that come to be as a whole


async def never_in_the_way(_: Any) -> None:
    return None


def completes_anyway(stage: Any, written: int) -> Any:
    return stage.close_list(min(written, stage._part.rows))


def completes_once(stage: Any, written: int) -> Any:
    if stage._part.is_in_place:
        raise BadAnswerError("it is complete")
    return stage.close_list(written)


BROKEN_STAGED: dict[str, Instead] = {
    "a_list_goes_on_where_it_was_left": {
        "open_list": lambda stage, written, in_doubt: stage.open_list(
            written=0 * written, in_doubt=0 * in_doubt
        )
    },
    "a_list_that_lacks_rows_is_not_gone_on_with": {
        "open_list": lambda stage, written, in_doubt: stage.open_list(
            written=min(written, 1), in_doubt=in_doubt
        )
    },
    "a_list_that_is_not_what_was_written_is_not_complete": {"close_list": completes_anyway},
    "what_is_in_the_way_is_told_before_it_is_opened": {"obstacle": never_in_the_way},
    "completing_can_be_repeated": {"close_list": completes_once},
}

OVERWRITING = {"a_list_goes_on_where_it_was_left"}


@asynccontextmanager
async def broken_stage(name: str) -> AsyncIterator[StagedTrial]:
    async with ours.staged_file(overwrite="yes" if name in OVERWRITING else "no")() as trial:

        def anew() -> Any:
            target, stage = trial.anew()
            return target, Broken(stage, BROKEN_STAGED.get(name, {}))

        is_there = (lambda: True) if name == "the_list_is_there_when_it_is_complete" else trial.is_there
        yield StagedTrial(anew, trial.bodies, is_there)


@pytest.mark.parametrize("name", STAGED)
def test_a_check_of_a_whole_list_finds_what_is_broken(name: str) -> None:
    with pytest.raises(NotKeptError, match=SAID if name != "completing_can_be_repeated" else "complete"):
        run_check(STAGED[name], lambda: broken_stage(name))
