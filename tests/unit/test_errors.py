"""Which error stands for a run in which several things went wrong, and what the tree promises."""

from __future__ import annotations

import pytest

from bulkmove import errors
from bulkmove.errors import (
    BadAnswerError,
    BulkmoveError,
    ConfigError,
    CredentialsError,
    HostUnavailableError,
    InDoubtError,
    LedgerError,
    LedgerLockedError,
    LedgerRefusedError,
    RejectedError,
    RejectRecordError,
    RequestFailedError,
    UnprovenError,
    gravest,
    single_error,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BulkmoveError("x"), 1), (ConfigError("x"), 2), (HostUnavailableError("x"), 5), (RequestFailedError("x"), 5),
        (InDoubtError("x", sent_at=1.0), 5), (RejectedError("x"), 3), (RejectRecordError("x"), 3),
        (CredentialsError("x"), 6), (UnprovenError("x"), 5), (BadAnswerError("x"), 5), (LedgerError("x"), 1),
        (LedgerLockedError("x"), 11), (LedgerRefusedError("x"), 2),
    ],
)  # fmt: skip
def test_every_error_has_the_exit_code_that_the_tree_says(error: BulkmoveError, code: int) -> None:
    assert error.exit_code == code


def test_every_error_stands_in_the_tree() -> None:
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BulkmoveError)
    ]
    assert errors.__doc__ is not None
    assert [kind.__name__ for kind in kinds if kind.__name__ not in errors.__doc__] == []


def test_a_mapper_rejects_with_a_cause_of_its_own_or_a_common_one() -> None:
    assert RejectRecordError("x").cause == "mapper"
    assert RejectRecordError("x", cause="too-old").cause == "too-old"


@pytest.mark.parametrize(
    ("together", "told"),
    [
        ([HostUnavailableError("h"), LedgerError("l")], LedgerError),
        ([HostUnavailableError("h"), LedgerLockedError("l")], LedgerLockedError),
        ([UnprovenError("u"), CredentialsError("c")], CredentialsError),
        ([RequestFailedError("r"), ConfigError("c")], ConfigError),
        ([HostUnavailableError("h"), BadAnswerError("b")], BadAnswerError),
        ([LedgerError("l"), KeyError("a defect")], KeyError),
    ],
)
def test_the_gravest_of_a_group_is_told_wherever_it_stands(
    together: list[Exception], told: type[Exception]
) -> None:
    for order in (together, together[::-1]):
        assert type(gravest(ExceptionGroup("", order))) is told
        nested = ExceptionGroup("", [ExceptionGroup("", order[:1]), *order[1:]])
        assert type(gravest(nested)) is told


def test_a_group_is_raised_as_the_one_error_that_ended_it() -> None:
    error = ConfigError("c")
    with pytest.raises(ConfigError) as raised, single_error():
        raise ExceptionGroup("", [error, HostUnavailableError("h")])
    assert raised.value is error


def test_what_is_no_group_passes_as_it_is() -> None:
    with pytest.raises(KeyboardInterrupt), single_error():
        raise KeyboardInterrupt
