"""What every Target promises of the rows that it creates: each is there, found again, and told apart."""

from __future__ import annotations

from copy import deepcopy

from bulkmove.load.matching import as_text
from bulkmove.model import Verdict, WriteResult
from bulkmove.testing import target_answers, updates
from bulkmove.testing.rows import compared, created, item_of, new_items, rows_of, same_value
from bulkmove.testing.running import Check, NotKeptError, not_given
from bulkmove.testing.trials import TargetTrial

_SHAPES = ("single", "array", "joined")
_LONG_ENOUGH = 6


def target_checks() -> list[Check[TargetTrial]]:
    """All checks of a Target that creates or updates, or does both."""
    return [
        its_rules_name_both_actions,
        what_was_created_is_on_the_list,
        there_is_a_result_for_each_item_in_its_order,
        one_write_is_one_request,
        what_was_written_equals_its_row,
        bodies_that_differ_compare_as_different,
        comparing_changes_nothing,
        what_never_comes_back_is_not_compared,
        the_natural_key_comes_back,
        a_refused_item_costs_itself_alone,
        a_refused_item_alone_is_refused,
        a_refusal_shows_nothing_of_the_body,
        *updates.CHECKS,
        *target_answers.CHECKS,
    ]


async def its_rules_name_both_actions(trial: TargetTrial) -> None:
    for action in ("create", "update"):
        rule = trial.target.rules.get(action)
        if rule is None:
            raise NotKeptError(f"its rules say nothing of {action}")
        if rule.shape not in _SHAPES or rule.max_items < 1 or (rule.shape == "single" and rule.max_items > 1):
            raise NotKeptError(f"{action}: no request carries {rule.max_items} items as {rule.shape!r}")
    if trial.target.rules["create"].shape == "joined":
        raise NotKeptError("one body for many ids creates nothing: create can't be joined")


async def what_was_created_is_on_the_list(trial: TargetTrial) -> None:
    before = await rows_of(trial)
    results = await created(trial)
    rows = await rows_of(trial)
    if any(type(result.target_id) is not str for result in results):
        raise NotKeptError("a row that was created has no id, or one that is no text")
    ids = {result.target_id for result in results}
    if len(ids) < len(results) or set(rows) - set(before) != ids:
        raise NotKeptError(
            f"{len(results)} rows were written, with {len(ids)} ids; the list has {len(rows) - len(before)} more"
        )


async def there_is_a_result_for_each_item_in_its_order(trial: TargetTrial) -> None:
    results = await created(trial)
    rows = await rows_of(trial)
    for body, result in zip(trial.bodies, results, strict=True):
        differing = compared(trial.target, body, rows.get(result.target_id or "", {}))
        if differing:
            raise NotKeptError(f"the row that a result names is not what its item said, in {differing}")


async def one_write_is_one_request(trial: TargetTrial) -> None:
    if trial.transport is None:
        not_given("transport")
    items = new_items(trial)
    await trial.target.write(items)
    if len(trial.transport.writes) != 1:
        raise NotKeptError(f"{len(items)} items in one batch took {len(trial.transport.writes)} requests")


async def what_was_written_equals_its_row(trial: TargetTrial) -> None:
    """Each field of a comparable body is in its comparable row, as the same value; the row may have more."""
    results = await created(trial)
    rows = await rows_of(trial)
    for body, result in zip(trial.bodies, results, strict=True):
        written, row = trial.target.comparable(body), trial.target.comparable(rows[result.target_id or ""])
        absent = sorted(written.keys() - row.keys())
        if absent:
            raise NotKeptError(
                f"{', '.join(absent)} of a body never comes back, and is compared all the same"
            )
        differing = [name for name in written if not same_value(row[name], written[name])]
        if differing:
            raise NotKeptError(f"{', '.join(differing)} of a body is not what its row shows, once compared")


async def bodies_that_differ_compare_as_different(trial: TargetTrial) -> None:
    if not trial.bodies:
        not_given("bodies to be created")
    shown = [trial.target.comparable(body) for body in trial.bodies]
    if any(one in shown[:place] for place, one in enumerate(shown)):
        raise NotKeptError("two bodies are one once they are compared: a row would be taken for another's")


async def comparing_changes_nothing(trial: TargetTrial) -> None:
    for given in (*trial.bodies, *(await rows_of(trial)).values()):
        before = deepcopy(given)
        shown = trial.target.comparable(given)
        if given != before:
            raise NotKeptError("comparable changed the row that it was given")
        if trial.target.id_field in shown:
            raise NotKeptError(f"{trial.target.id_field} is compared, and no body holds the target's own id")


async def what_never_comes_back_is_not_compared(trial: TargetTrial) -> None:
    for body in trial.bodies:
        compared_all_the_same = trial.target.never_returned & trial.target.comparable(body).keys()
        if compared_all_the_same:
            raise NotKeptError(f"{', '.join(compared_all_the_same)} never comes back, and is compared")


async def the_natural_key_comes_back(trial: TargetTrial) -> None:
    results = await created(trial)
    rows = await rows_of(trial)
    name = trial.target.natural_key
    for body, result in zip(trial.bodies, results, strict=True):
        sent, shown = as_text(body.get(name)), as_text(rows[result.target_id or ""].get(name))
        if sent is None:
            raise NotKeptError(f"a body of the trial has no {name}, its natural key")
        if sent != shown:
            raise NotKeptError(f"{name} was sent as {sent!r}, and comes back as {shown!r}")


async def a_refused_item_costs_itself_alone(trial: TargetTrial) -> None:
    """The others of its batch are written, or held to go again; the list shows which."""
    if trial.bad is None:
        not_given("body that the host refuses")
    rule = trial.target.rules["create"]
    before = await rows_of(trial)
    good = [item_of(body) for body in trial.bodies[: max(0, rule.max_items - 1)]]
    items = [*good[:1], item_of(trial.bad), *good[1:]]
    results = await trial.target.write(items)
    if len(results) != len(items):
        raise NotKeptError(f"{len(items)} items got {len(results)} results")
    refused = results[len(good[:1])]
    if refused.verdict not in {Verdict.REJECTED, Verdict.HELD}:
        raise NotKeptError(f"an item that the host refuses is {refused.verdict.name}")
    others = [result for result in results if result is not refused]
    if any(result.verdict not in {Verdict.WRITTEN, Verdict.HELD} for result in others):
        raise NotKeptError(f"the good items of its batch are {_verdicts(others)}")
    more = len(await rows_of(trial)) - len(before)
    written = sum(result.verdict is Verdict.WRITTEN for result in others)
    if more != written:
        raise NotKeptError(f"{written} items are told to be written, and the list has {more} rows more")


async def a_refused_item_alone_is_refused(trial: TargetTrial) -> None:
    result = await _refusal(trial)
    if result.verdict is Verdict.REJECTED and not (result.cause and result.message):
        raise NotKeptError("a rejection has to tell its cause and a message")


async def a_refusal_shows_nothing_of_the_body(trial: TargetTrial) -> None:
    result = await _refusal(trial)
    values = [value for value in (trial.bad or {}).values() if isinstance(value, str)]
    if any(len(value) >= _LONG_ENOUGH and value in (result.message or "") for value in values):
        raise NotKeptError("the message of a rejection holds a value of the body")


async def _refusal(trial: TargetTrial) -> WriteResult:
    if trial.bad is None:
        not_given("body that the host refuses")
    before = await rows_of(trial)
    (result,) = await trial.target.write([item_of(trial.bad)])
    if result.verdict not in {Verdict.REJECTED, Verdict.HELD}:
        raise NotKeptError(f"an item that the host refuses is {result.verdict.name}")
    if len(await rows_of(trial)) != len(before):
        raise NotKeptError("an item that was refused is on the list")
    return result


def _verdicts(results: list[WriteResult]) -> str:
    return ", ".join(sorted({result.verdict.name for result in results}))
