"""Rows of a trial's list: written in batches, read back, compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bulkmove.errors import BulkmoveError
from bulkmove.exact import encode_json
from bulkmove.load.matching import as_text
from bulkmove.model import JsonObject, PageQuery, Verdict, WriteItem, WriteResult
from bulkmove.protocols import Target
from bulkmove.testing.running import NotKeptError, not_given
from bulkmove.testing.trials import TargetTrial


def item_of(body: JsonObject, target_id: str | None = None) -> WriteItem:
    return WriteItem(target_id, body, encode_json(body))


def new_items(trial: TargetTrial) -> list[WriteItem]:
    """As many of the trial's new bodies as one request carries."""
    if not trial.bodies:
        not_given("bodies to be created")
    return [item_of(body) for body in trial.bodies[: trial.target.rules["create"].max_items]]


async def created(trial: TargetTrial) -> list[WriteResult]:
    """Create all of the trial's bodies, in batches as its rule says; a result for each. Raises NotKeptError where one is not written."""
    if not trial.bodies:
        not_given("bodies to be created")
    results: list[WriteResult] = []
    size = trial.target.rules["create"].max_items
    for start in range(0, len(trial.bodies), size):
        items = [item_of(body) for body in trial.bodies[start : start + size]]
        told = await trial.target.write(items)
        if len(told) != len(items):
            raise NotKeptError(f"{len(items)} items got {len(told)} results")
        results += told
    for result in results:
        if result.verdict is not Verdict.WRITTEN:
            raise NotKeptError(
                f"a body that the host takes is {result.verdict.name}: {result.message or result.cause}"
            )
    return results


async def rows_of(trial: TargetTrial) -> dict[str, JsonObject]:
    """The rows of the target's list by their id."""
    source = trial.target.list()
    query = PageQuery(source.listing.page_limit)
    rows = [record.data for record in (await source.fetch(query)).records]
    by_id = {as_text(row.get(trial.target.id_field)): row for row in rows}
    if None in by_id or len(by_id) < len(rows):
        raise NotKeptError(f"rows of the list have no {trial.target.id_field}, or one twice")
    return {row_id: row for row_id, row in by_id.items() if row_id is not None}


async def standing(trial: TargetTrial) -> dict[str, JsonObject]:
    """Rows that can be updated: those that the trial creates, else those that are there. Two or more."""
    if trial.change is None:
        not_given("change of a row")
    ids: set[str | None] = set()
    if trial.bodies:
        ids = {result.target_id for result in await created(trial)}
    rows = {row_id: row for row_id, row in (await rows_of(trial)).items() if not ids or row_id in ids}
    if len(rows) < 2:
        raise NotKeptError("the trial needs two rows or more to update")
    return rows


async def written(trial: TargetTrial, items: Sequence[WriteItem]) -> Sequence[WriteResult] | BulkmoveError:
    """What a write gives, or raises of what is bulkmove's own. Raises NotKeptError for another exception."""
    try:
        results = await trial.target.write(items)
    except BulkmoveError as error:
        return error
    except Exception as error:
        raise NotKeptError(f"a write raised {type(error).__name__}: {error}") from error
    if len(results) != len(items):
        raise NotKeptError(f"{len(items)} items got {len(results)} results")
    return results


def compared(target: Target, body: JsonObject, row: JsonObject) -> str:
    """The fields of the body that the row does not show as it says."""
    want, have = target.comparable(body), target.comparable(row)
    return ", ".join(
        sorted(name for name in want if not (name in have and same_value(have[name], want[name])))
    )


def differing(target: Target, old: JsonObject, new: JsonObject, *, but: Iterable[str] = ()) -> str:
    """The comparable fields in which two rows differ."""
    one, other = target.comparable(old), target.comparable(new)
    names = (one.keys() | other.keys()) - set(but)
    return ", ".join(sorted(name for name in names if one.get(name) != other.get(name)))


def same_value(shown: object, sent: object) -> bool:
    """Whether a value is what was sent; within objects the host may add fields."""
    if isinstance(sent, dict) and isinstance(shown, dict):
        return all(name in shown and same_value(shown[name], value) for name, value in sent.items())
    if isinstance(sent, list) and isinstance(shown, list):
        return len(shown) == len(sent) and all(map(same_value, shown, sent))
    return shown == sent
