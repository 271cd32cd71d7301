"""What a Target promises of an update: its row and no other, the fields that it names and no others."""

from __future__ import annotations

import orjson

from bulkmove.errors import BulkmoveError
from bulkmove.model import JsonObject, Verdict, WriteItem
from bulkmove.testing.rows import compared, differing, item_of, rows_of, standing, written
from bulkmove.testing.running import NotKeptError, not_given
from bulkmove.testing.trials import TargetTrial

# In a path they name another place than a row's, and nothing is to be found there.
_NO_IDS = ("", ".", "..", "../1", "1/../2", "?id=1")


async def an_update_changes_its_row_and_no_other(trial: TargetTrial) -> None:
    rows, item = await _one_update(trial)
    results = await trial.target.write([item])
    if [result.verdict for result in results] != [Verdict.WRITTEN]:
        raise NotKeptError(
            f"an update that the host takes is {results[0].verdict.name}: {results[0].message}"
        )
    if results[0].target_id not in {None, item.target_id}:
        raise NotKeptError("the result of an update names another row")
    after = await rows_of(trial)
    if after.keys() != rows.keys():
        raise NotKeptError(f"an update made {len(after)} rows of {len(rows)}")
    unset = compared(trial.target, item.body, after[item.target_id or ""])
    if unset:
        raise NotKeptError(f"the row does not show the update, in {unset}")
    for row_id in rows.keys() - {item.target_id}:
        if changed := differing(trial.target, rows[row_id], after[row_id]):
            raise NotKeptError(f"the update of a row changed another, in {changed}")


async def an_update_leaves_other_fields(trial: TargetTrial) -> None:
    rows, item = await _one_update(trial)
    await trial.target.write([item])
    row_id = item.target_id or ""
    changed = differing(trial.target, rows[row_id], (await rows_of(trial))[row_id], but=_touched(trial, item))
    if changed:
        raise NotKeptError(f"the update changed fields that it does not name: {changed}")


async def one_request_changes_as_many_rows_as_its_rule_says(trial: TargetTrial) -> None:
    rule = trial.target.rules["update"]
    rows = dict(list((await standing(trial)).items())[: rule.max_items])
    if len(rows) == 1:
        not_given("rule by which one request updates several rows")
    bodies = [_change(trial, row) for row in rows.values()]
    if rule.shape == "joined":
        bodies = bodies[:1] * len(rows)
    items = [item_of(body, row_id) for row_id, body in zip(rows, bodies, strict=True)]
    before = len(trial.transport.writes) if trial.transport is not None else 0
    results = await trial.target.write(items)
    if [result.verdict for result in results] != [Verdict.WRITTEN] * len(items):
        raise NotKeptError("several updates that the host takes, in one request, are not all WRITTEN")
    if trial.transport is not None and len(trial.transport.writes) - before != 1:
        raise NotKeptError(f"{len(items)} updates took {len(trial.transport.writes) - before} requests")
    after = await rows_of(trial)
    for item in items:
        if unset := compared(trial.target, item.body, after[item.target_id or ""]):
            raise NotKeptError(f"one of several rows does not show its update, in {unset}")


async def what_is_called_repeatable_can_be_repeated(trial: TargetTrial) -> None:
    if not trial.target.rules["update"].is_repeatable:
        not_given("repeatable update")
    _, item = await _one_update(trial)
    await trial.target.write([item])
    once = await rows_of(trial)
    results = await trial.target.write([item])
    if results[0].verdict not in {Verdict.WRITTEN, Verdict.UNCHANGED}:
        raise NotKeptError(f"the second of two equal updates is {results[0].verdict.name}")
    twice = await rows_of(trial)
    if once.keys() != twice.keys() or any(differing(trial.target, once[each], twice[each]) for each in once):
        raise NotKeptError("the same update twice left something else than once")


async def requests_say_what_the_rules_say(trial: TargetTrial) -> None:
    """A write that is marked as repeatable is sent again after a lost answer: its rule has to allow that."""
    if trial.transport is None:
        not_given("transport")
    if trial.bodies:
        await trial.target.write([item_of(trial.bodies[0])])
        _check_marks(trial, "create", 0)
    if trial.change is not None:
        _, item = await _one_update(trial)
        before = len(trial.transport.requests)
        await trial.target.write([item])
        _check_marks(trial, "update", before)


async def the_id_never_travels_in_an_updates_body(trial: TargetTrial) -> None:
    """Where one object is sent for one row, the path names it."""
    if trial.transport is None or trial.target.rules["update"].shape != "single":
        not_given("single update over a transport")
    _, item = await _one_update(trial)
    before = len(trial.transport.writes)
    await trial.target.write([item])
    for request in trial.transport.writes[before:]:
        sent = orjson.loads(request.body) if request.body else {}
        if isinstance(sent, dict) and trial.target.id_field in sent:
            raise NotKeptError(f"{trial.target.id_field} travelled in an update's body")


async def a_row_that_is_not_there_is_not_made(trial: TargetTrial) -> None:
    _, item = await _one_update(trial)
    rows = await rows_of(trial)
    told = await written(trial, [item._replace(target_id=trial.no_row)])
    await _check_untouched(trial, rows, "an update of a row that is not there")
    if isinstance(told, BulkmoveError):
        raise NotKeptError(f"one row that is not there ended the route: {told}")
    if told[0].verdict is Verdict.WRITTEN and trial.target.rules["update"].shape != "joined":
        raise NotKeptError("the update of a row that is not there is WRITTEN")


async def an_odd_id_names_no_other_row(trial: TargetTrial) -> None:
    _, item = await _one_update(trial)
    rows = await rows_of(trial)
    for row_id in _NO_IDS:
        await written(trial, [item._replace(target_id=row_id)])
        await _check_untouched(trial, rows, f"an update of the id {row_id!r}")


CHECKS = (
    an_update_changes_its_row_and_no_other,
    an_update_leaves_other_fields,
    one_request_changes_as_many_rows_as_its_rule_says,
    what_is_called_repeatable_can_be_repeated,
    requests_say_what_the_rules_say,
    the_id_never_travels_in_an_updates_body,
    a_row_that_is_not_there_is_not_made,
    an_odd_id_names_no_other_row,
)


async def _one_update(trial: TargetTrial) -> tuple[dict[str, JsonObject], WriteItem]:
    """The rows as they are, and an update of one of them that changes something."""
    row_id, row = next(iter((await standing(trial)).items()))
    rows = await rows_of(trial)
    body = _change(trial, row)
    if not compared(trial.target, body, row):
        raise NotKeptError("the trial's change changes nothing")
    if trial.target.id_field in body:
        raise NotKeptError(f"the trial's change holds {trial.target.id_field}, which no update's body does")
    return rows, item_of(body, row_id)


def _change(trial: TargetTrial, row: JsonObject) -> JsonObject:
    if trial.change is None:
        not_given("change of a row")
    return trial.change(row)


def _touched(trial: TargetTrial, item: WriteItem) -> set[str]:
    return {*item.body, *trial.target.comparable(item.body)}


def _check_marks(trial: TargetTrial, action: str, since: int) -> None:
    if trial.transport is None:
        return
    may_repeat = trial.target.rules[action].is_repeatable
    for request in trial.transport.requests[since:]:
        if request.method == "GET":
            if not request.is_repeatable:
                raise NotKeptError("a look at a row is not marked as repeatable")
        elif request.is_repeatable != may_repeat:
            raise NotKeptError(
                f"the rule of {action} says is_repeatable = {may_repeat}, its request {request.is_repeatable}"
            )


async def _check_untouched(trial: TargetTrial, rows: dict[str, JsonObject], what: str) -> None:
    after = await rows_of(trial)
    if after.keys() != rows.keys():
        raise NotKeptError(f"{what} made {len(after)} rows of {len(rows)}")
    if any(differing(trial.target, rows[row_id], after[row_id]) for row_id in rows):
        raise NotKeptError(f"{what} changed another row")
