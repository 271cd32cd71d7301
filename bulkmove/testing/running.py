"""One check run on one trial, and how it says that a promise is not kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import NoReturn, TypeVar

import anyio
import pytest

from bulkmove.errors import single_error

T = TypeVar("T")
Check = Callable[[T], Awaitable[None]]

# No promise takes that long on a list of a few rows; a check that hangs is a check that failed.
LONGEST_S = 30.0


class NotKeptError(AssertionError):
    """What was tried does not keep a promise; the message says which, and what was seen instead."""


def run_check(check: Check[T], opened: Callable[[], T | AbstractAsyncContextManager[T]]) -> None:
    """Give the check a trial of its own. `opened` makes one, or an async context manager of one where it is to be closed.

    Raises NotKeptError, and TimeoutError where it hangs.
    """
    anyio.run(_run, check, opened)


async def _run(check: Check[T], opened: Callable[[], T | AbstractAsyncContextManager[T]]) -> None:
    made = opened()
    with single_error(), anyio.fail_after(LONGEST_S):
        if isinstance(made, AbstractAsyncContextManager):
            async with made as trial:
                await _hold(check, trial)
        else:
            await _hold(check, made)


async def _hold(check: Check[T], trial: T) -> None:
    try:
        with single_error():
            await check(trial)
    except NotKeptError:
        raise
    except Exception as error:
        raise NotKeptError(f"raised {type(error).__name__}: {error}") from error


def not_given(what: str) -> NoReturn:
    """Skip a check of what the trial does not show."""
    pytest.skip(f"the trial gives no {what}")
