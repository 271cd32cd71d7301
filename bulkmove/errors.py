"""Every exception of bulkmove, by what the caller does about it.

    BulkmoveError                     exit code 1 unless a branch says otherwise
    ├── ConfigError            2      the user mends the configuration, a mapper, or a URL
    ├── RetryableError         5      worth another try later
    │   ├── HostUnavailableError      the host was never reached, or serves nothing any more
    │   │   └── HeldError             a person holds it, and the run ends
    │   ├── RequestFailedError        one request kept failing while its host served others
    │   └── InDoubtError              a write was sent and no answer settles it
    ├── RejectedError                 one record can't go; never crosses a stage
    │   └── RejectRecordError         raised by a mapper on purpose
    ├── RefusedError           3      the host refused one single call that was made by itself
    ├── FatalError                    the run can't go on
    │   ├── CredentialsError   6      the host refused key, token or password
    │   ├── BudgetSpentError   7      more records were rejected than `max_rejected` allows
    │   ├── CanaryError        4      what was written first does not stand on the target as it was sent
    │   ├── UnprovenError      5      a list could not be read in a way that proves it whole
    │   └── BadAnswerError     5      the host answers, but with nothing that can be used
    └── LedgerError            1      the durable record can't be read or written
        ├── LedgerLockedError  11     another run holds it
        └── LedgerRefusedError 2      it is newer than this program, or belongs to another migration

A message says what happened, to which host, route and record, and what to do next. It never holds a
credential, a URL's query, or the body of a record.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

# How a command ends that Ctrl-C ended; no exception of ours says so.
INTERRUPTED = 130


class BulkmoveError(Exception):
    """The root of all that bulkmove raises on purpose."""

    exit_code = 1


class ConfigError(BulkmoveError):
    """Something that the user wrote is wrong; nothing was sent."""

    exit_code = 2


class RetryableError(BulkmoveError):
    """Worth another try, not before `retry_after_s` where the host said so."""

    exit_code = 5

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class HostUnavailableError(RetryableError):
    """A host could not be reached, or has served nothing for `give_up_after_s`. The run ends; run again to go on."""


class HeldError(HostUnavailableError):
    """The run ends while a host is paused, by hand or by itself: the request was not waited for. Run again to go on."""


class RequestFailedError(RetryableError):
    """One repeatable request kept failing (5xx, time-outs, unusable answers) while its host served others."""


class InDoubtError(RetryableError):
    """A write was sent and its answer is missing or settles nothing (time-out, reset, 5xx, cut body).

    `sent_at` is the time of the last send, in seconds of this machine's clock since the epoch.
    """

    def __init__(self, message: str, *, sent_at: float) -> None:
        super().__init__(message)
        self.sent_at = sent_at


class RejectedError(BulkmoveError):
    """One record can't be moved. `cause` is a short stable word that failures are grouped by."""

    exit_code = 3

    def __init__(self, message: str, *, cause: str = "rejected") -> None:
        super().__init__(message)
        self.cause = cause


class RejectRecordError(RejectedError):
    """Raised by a mapper: this record shall not be moved, and why."""

    def __init__(self, message: str, *, cause: str = "mapper") -> None:
        super().__init__(message, cause=cause)


class RefusedError(BulkmoveError):
    """A host answered a single documented call with a 4xx. `status` is that of its answer."""

    exit_code = 3

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class FatalError(BulkmoveError):
    """The run ends; all progress is kept."""


class CredentialsError(FatalError):
    """The host refused the credentials (401, 403). Never tried again: hosts lock keys out."""

    exit_code = 6


class BudgetSpentError(FatalError):
    """A run rejected more records of a route than `max_rejected` allows. All progress is kept."""

    exit_code = 7


class CanaryError(FatalError):
    """The first records of a route do not stand on its target as they were sent; nothing else was written."""

    exit_code = 4


class UnprovenError(FatalError):
    """A list could not be proven read whole; the message names the partition."""

    exit_code = 5


class BadAnswerError(FatalError):
    """The host keeps answering with something that is not what was asked for (HTML, cut JSON, one page for ever)."""

    exit_code = 5


class LedgerError(BulkmoveError):
    """The ledger can't be read or written (a full disk, a damaged file, a broken invariant)."""


class LedgerLockedError(LedgerError):
    """Another run of this migration is going."""

    exit_code = 11


class LedgerRefusedError(LedgerError):
    """The ledger is newer than this program, or its fingerprint is another migration's."""

    exit_code = 2


# What a person has to hear first, where tasks that run side by side failed together.
_GRAVEST_FIRST = (LedgerError, CredentialsError, ConfigError, FatalError, RetryableError, BulkmoveError)


def gravest(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one exception of a group that says why it ended; a defect goes before all that is expected."""
    flat = [gravest(error) if isinstance(error, BaseExceptionGroup) else error for error in group.exceptions]

    def rank(error: BaseException) -> int:
        return next((place for place, kind in enumerate(_GRAVEST_FIRST, 1) if isinstance(error, kind)), 0)

    return min(flat, key=rank)


@contextmanager
def single_error() -> Iterator[None]:
    """Raise one exception in place of the group that a task group ends with."""
    try:
        yield
    except BaseExceptionGroup as group:
        raise gravest(group) from None
