"""What a StagedTarget promises: a list that is there as a whole or not at all, and never another's."""

from __future__ import annotations

from bulkmove.errors import BadAnswerError, BulkmoveError, ConfigError, LedgerError
from bulkmove.model import PageQuery
from bulkmove.protocols import Target
from bulkmove.testing.rows import item_of
from bulkmove.testing.running import Check, NotKeptError
from bulkmove.testing.trials import StagedTrial


def staged_checks() -> list[Check[StagedTrial]]:
    """All checks of a target whose list is not there before it is complete."""
    return [
        the_list_is_there_when_it_is_complete,
        a_list_goes_on_where_it_was_left,
        a_list_that_lacks_rows_is_not_gone_on_with,
        a_list_that_is_not_what_was_written_is_not_complete,
        what_is_in_the_way_is_told_before_it_is_opened,
        completing_can_be_repeated,
    ]


async def the_list_is_there_when_it_is_complete(trial: StagedTrial) -> None:
    target, stage = trial.anew()
    async with stage.open_list(written=0, in_doubt=0):
        await _write(target, trial)
        if trial.is_there():
            raise NotKeptError("the list is there before it is complete")
        await stage.close_list(len(trial.bodies))
    if not trial.is_there():
        raise NotKeptError("the list is complete, and not there")


async def a_list_goes_on_where_it_was_left(trial: StagedTrial) -> None:
    """Also where a write was in doubt, whether it was done or not."""
    target, stage = trial.anew()
    async with stage.open_list(written=0, in_doubt=0):
        await _write(target, trial, upto=2)
    target, stage = trial.anew()
    async with stage.open_list(written=1, in_doubt=1):
        if await _rows(target) != 2:
            raise NotKeptError(f"of 2 rows, {await _rows(target)} are there when it is opened again")
        await target.write([item_of(body) for body in trial.bodies[2:]])
        await stage.close_list(len(trial.bodies))
    if not trial.is_there():
        raise NotKeptError("a list that was taken up again is complete, and not there")


async def a_list_that_lacks_rows_is_not_gone_on_with(trial: StagedTrial) -> None:
    target, stage = trial.anew()
    async with stage.open_list(written=0, in_doubt=0):
        await _write(target, trial, upto=1)
    error = await _opening(trial, written=3)
    if not isinstance(error, LedgerError):
        raise NotKeptError(f"1 row is there, the ledger says 3: {_said(error)}, not LedgerError")


async def a_list_that_is_not_what_was_written_is_not_complete(trial: StagedTrial) -> None:
    target, stage = trial.anew()
    async with stage.open_list(written=0, in_doubt=0):
        await _write(target, trial)
        try:
            await stage.close_list(len(trial.bodies) + 1)
        except BadAnswerError:
            return
    raise NotKeptError("a list of fewer rows than were written was completed")


async def what_is_in_the_way_is_told_before_it_is_opened(trial: StagedTrial) -> None:
    target, stage = trial.anew()
    if await stage.obstacle() is not None:
        raise NotKeptError("an obstacle is told where nothing is in the way")
    async with stage.open_list(written=0, in_doubt=0):
        await _write(target, trial)
        await stage.close_list(len(trial.bodies))
    told = await trial.anew()[1].obstacle()
    error = await _opening(trial, written=0)
    if told is None or not isinstance(error, ConfigError):
        raise NotKeptError(f"a list is in the way: {told!r} is told, and opening it gives {_said(error)}")


async def completing_can_be_repeated(trial: StagedTrial) -> None:
    target, stage = trial.anew()
    count = len(trial.bodies)
    async with stage.open_list(written=0, in_doubt=0):
        await _write(target, trial)
        await stage.close_list(count)
        await stage.close_list(count)
    _, stage = trial.anew()
    async with stage.open_list(written=count, in_doubt=0):
        await stage.close_list(count)
    if not trial.is_there():
        raise NotKeptError("completing a complete list took it away")


async def _write(target: Target, trial: StagedTrial, *, upto: int | None = None) -> None:
    await target.write([item_of(body) for body in trial.bodies[:upto]])


async def _rows(target: Target) -> int:
    source = target.list()
    return len((await source.fetch(PageQuery(source.listing.page_limit))).records)


async def _opening(trial: StagedTrial, *, written: int) -> BulkmoveError | None:
    _, stage = trial.anew()
    try:
        async with stage.open_list(written=written, in_doubt=0):
            return None
    except BulkmoveError as error:
        return error


def _said(error: BulkmoveError | None) -> str:
    return "nothing was said" if error is None else type(error).__name__
