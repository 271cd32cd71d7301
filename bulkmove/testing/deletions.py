"""What the target of a route of mode "delete" promises: the rows that are named, and nothing else."""

from __future__ import annotations

from contextlib import suppress

from bulkmove.errors import BulkmoveError, RequestFailedError
from bulkmove.load.matching import as_text
from bulkmove.model import PageQuery, Verdict
from bulkmove.testing.rows import item_of
from bulkmove.testing.running import Check, NotKeptError, not_given
from bulkmove.testing.trials import DeletionTrial

_NO_IDS = ("", ".", "..", "../1", "1/../2", "?id=1")


def deletion_checks() -> list[Check[DeletionTrial]]:
    """All checks of a Target whose update is the deletion of its row."""
    return [
        a_deleted_row_is_gone_and_no_other,
        a_deletion_can_be_repeated,
        what_never_was_there_is_not_taken_for_deleted,
        an_odd_id_deletes_nothing,
        a_body_is_not_written_where_rows_are_deleted,
    ]


async def a_deleted_row_is_gone_and_no_other(trial: DeletionTrial) -> None:
    ids = await _ids(trial)
    if not set(trial.ids) <= ids or len(trial.ids) < 3:
        raise NotKeptError("a trial of deletions needs three rows or more that stand on the list")
    (result,) = await trial.target.write([item_of({}, trial.ids[0])])
    if result.verdict is not Verdict.WRITTEN:
        raise NotKeptError(f"the deletion of a row that is there is {result.verdict.name}")
    if await _ids(trial) != ids - {trial.ids[0]}:
        raise NotKeptError("after a deletion the list is not what it was without the row")


async def a_deletion_can_be_repeated(trial: DeletionTrial) -> None:
    """The second finds nothing, and says so."""
    if not trial.target.rules["update"].is_repeatable:
        raise NotKeptError("a deletion can be sent twice, and its rule does not say so")
    item = item_of({}, trial.ids[1])
    await trial.target.write([item])
    ids = await _ids(trial)
    (result,) = await trial.target.write([item])
    if result.verdict is not Verdict.UNCHANGED:
        raise NotKeptError(f"the second deletion of a row is {result.verdict.name}, not UNCHANGED")
    if await _ids(trial) != ids:
        raise NotKeptError("the second deletion of a row deleted another")
    if trial.transport is not None and not all(each.is_repeatable for each in trial.transport.writes):
        raise NotKeptError("a deletion can be sent twice, and its request does not say so")


async def what_never_was_there_is_not_taken_for_deleted(trial: DeletionTrial) -> None:
    """Before any row was deleted, an answer that nothing is there can as well mean a wrong address.

    It is refused, or fails (RequestFailedError) to be asked for again behind another.
    """
    ids = await _ids(trial)
    with suppress(RequestFailedError):
        (result,) = await trial.target.write([item_of({}, "999999999")])
        if result.verdict not in {Verdict.REJECTED, Verdict.HELD}:
            raise NotKeptError(f"the first of all deletions names no row, and is {result.verdict.name}")
    if await _ids(trial) != ids:
        raise NotKeptError("a deletion that names no row deleted one")


async def an_odd_id_deletes_nothing(trial: DeletionTrial) -> None:
    ids = await _ids(trial)
    for row_id in _NO_IDS:
        with suppress(BulkmoveError):
            await trial.target.write([item_of({}, row_id)])
        if await _ids(trial) != ids:
            raise NotKeptError(f"a deletion of the id {row_id!r} deleted rows")


async def a_body_is_not_written_where_rows_are_deleted(trial: DeletionTrial) -> None:
    if trial.transport is None:
        not_given("transport")
    key = {trial.target.natural_key: "x"}
    for item in (item_of(key), item_of(key, trial.ids[2])):
        (result,) = await trial.target.write([item])
        if result.verdict is not Verdict.REJECTED or trial.transport.writes:
            raise NotKeptError(f"a body to be written is {result.verdict.name} where rows are deleted")


async def _ids(trial: DeletionTrial) -> set[str | None]:
    source = trial.target.list()
    page = await source.fetch(PageQuery(source.listing.page_limit))
    return {as_text(record.data.get(trial.target.id_field)) for record in page.records}
