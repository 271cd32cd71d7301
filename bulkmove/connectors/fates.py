"""What becomes of a write, by how it was answered: the one table that refusals are classified by.

Nothing is guessed from a status alone that could double or lose a record: what may have been applied, and can't be
repeated without effect, is in doubt until the target was read back.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

from bulkmove.model import Response


class Kind(enum.Enum):
    """The kinds of write that connectors make. `is_repeatable`: the same request twice has the effect of once."""

    ARRAY_CREATE = "array of creates"
    CREATE = "one create"
    ARRAY_UPDATE = "array of updates"
    ARRAY_SET = "array of updates, repeatable"
    UPDATE = "one update"
    JOINED = "one change of many ids"
    DELETE = "one deletion"
    PROCESS = "one call of a handler"

    @property
    def is_repeatable(self) -> bool:
        return self in _REPEATABLE


_REPEATABLE = frozenset({Kind.ARRAY_SET, Kind.UPDATE, Kind.JOINED, Kind.DELETE})


class Reply(enum.Enum):
    """How a write was answered, or was not."""

    WHOLE = "2xx that shows what was sent"
    SHORT = "2xx that shows less than was sent"
    LONG = "2xx that shows more than was sent"
    ERRORS = "2xx with `errors`, `error` or `ok: false` in it"
    MULTI = "207"
    EMPTY = "204, 205"
    UNREADABLE = "2xx that is HTML or cut JSON"
    REDIRECT = "3xx"
    NAMED = "400 or 422 that names bad items, in either shape"
    UNNAMED = "400 or 422 that names none"
    CREDENTIALS = "401, 403"
    NO_ROW = "404 or 410 with a JSON object"
    NO_PATH = "404, 405 or 410 otherwise"
    CONFLICT = "409"
    TOO_LARGE = "413"
    FORM = "415"
    OTHER = "another 4xx"
    THROTTLED = "429"
    FAILED = "408, 425, 5xx"
    PASSING = "400 or 405 that is known to pass by itself"
    UNREACHED = "no connection: refused, no such name, time-out"
    UNSENT = "time-out while the body is sent"
    LATE = "time-out after the body was sent"
    RESET = "connection broken"
    CUT = "answer cut short"


class Fate(enum.Enum):
    """What follows for the bodies of a write. What can't be repeated stays in doubt where a run or route ends with 2 or 5."""

    WRITTEN = "written"
    SHOWN = "shown"  # each body by what is shown of it; that of which nothing is shown is in doubt
    REJECTED = "rejected"
    NAMED = "named"  # the named are rejected, the others sent again
    HALVED = "halved"  # sent again in halves, down to the one that is refused alone
    SMALLER = "smaller"  # sent again in smaller requests, down to the one that is too large
    GONE = "gone"  # unchanged, once a deletion showed that the address is right; rejected where none does
    AGAIN = "again"  # surely not applied, or repeatable without effect
    DOUBT = "doubt"  # the target is read back first; one that 409 or 415 refuses alone is rejected
    ENDS_2 = "ends 2"
    ENDS_5 = "ends 5"
    ENDS_6 = "ends 6"


def _row(*fates: Fate | None) -> Mapping[Kind, Fate]:
    """A row of the table, in the order of the kinds; None where the answer can't come about."""
    return MappingProxyType({kind: fate for kind, fate in zip(Kind, fates, strict=True) if fate is not None})


def _unsettled() -> Mapping[Kind, Fate]:
    """It may have been applied."""
    return MappingProxyType({kind: _AGAIN if kind.is_repeatable else _DOUBT for kind in Kind})


def _all(fate: Fate) -> Mapping[Kind, Fate]:
    return MappingProxyType(dict.fromkeys(Kind, fate))


_WRITTEN, _SHOWN, _REJECTED, _HALVED = Fate.WRITTEN, Fate.SHOWN, Fate.REJECTED, Fate.HALVED
_NAMED, _AGAIN, _DOUBT, _ENDS_2 = Fate.NAMED, Fate.AGAIN, Fate.DOUBT, Fate.ENDS_2

# fmt: off
FATES: Mapping[Reply, Mapping[Kind, Fate]] = MappingProxyType(
    {
        #                        array of creates, one create, array of updates, repeatable, one update, joined, deletion, handler
        Reply.WHOLE: _all(_WRITTEN),
        Reply.SHORT:       _row(_SHOWN, _DOUBT, _SHOWN, _SHOWN, None, None, None, None),
        Reply.LONG:        _row(_SHOWN, _DOUBT, _SHOWN, _SHOWN, None, None, None, None),
        Reply.ERRORS:      _row(_SHOWN, _REJECTED, _SHOWN, _SHOWN, _REJECTED, _HALVED, _REJECTED, _REJECTED),
        Reply.MULTI:       _row(_SHOWN, _SHOWN, _SHOWN, _SHOWN, _AGAIN, _AGAIN, _AGAIN, _DOUBT),
        Reply.EMPTY:       _row(_DOUBT, _DOUBT, _DOUBT, _WRITTEN, _WRITTEN, _WRITTEN, _WRITTEN, _WRITTEN),
        Reply.UNREADABLE: _unsettled(),
        Reply.REDIRECT: _all(_ENDS_2),
        Reply.NAMED:       _row(_NAMED, _REJECTED, _NAMED, _NAMED, _REJECTED, _HALVED, _REJECTED, _REJECTED),
        Reply.UNNAMED:     _row(_HALVED, _REJECTED, _HALVED, _HALVED, _REJECTED, _HALVED, _REJECTED, _REJECTED),
        Reply.CREDENTIALS: _all(Fate.ENDS_6),
        Reply.NO_ROW:      _row(_ENDS_2, _ENDS_2, _ENDS_2, _ENDS_2, _REJECTED, _HALVED, Fate.GONE, _REJECTED),
        Reply.NO_PATH: _all(_ENDS_2),
        # A conflict can come from one body of an array after others were written; what 415 on an array means nobody shows.
        Reply.CONFLICT:    _row(_DOUBT, _REJECTED, _DOUBT, _HALVED, _REJECTED, _HALVED, _REJECTED, _REJECTED),
        Reply.FORM:        _row(_DOUBT, _REJECTED, _DOUBT, _HALVED, _REJECTED, _HALVED, _REJECTED, _REJECTED),
        # Refused for its size before anything looks into it.
        Reply.TOO_LARGE: _all(Fate.SMALLER),
        Reply.OTHER: _all(Fate.ENDS_5),
        Reply.THROTTLED: _all(_AGAIN),
        Reply.FAILED: _unsettled(),
        Reply.PASSING:     _row(None, _DOUBT, None, None, _AGAIN, None, _AGAIN, _DOUBT),
        Reply.UNREACHED: _all(_AGAIN),
        Reply.UNSENT:      _row(_DOUBT, _DOUBT, _DOUBT, _AGAIN, _AGAIN, _AGAIN, None, None),
        Reply.LATE: _unsettled(),
        Reply.RESET: _unsettled(),
        Reply.CUT: _unsettled(),
    }
)
# fmt: on


_BY_STATUS: Mapping[int, Reply] = MappingProxyType(
    {
        401: Reply.CREDENTIALS,
        403: Reply.CREDENTIALS,
        404: Reply.NO_PATH,
        405: Reply.NO_PATH,
        410: Reply.NO_PATH,
        408: Reply.FAILED,
        409: Reply.CONFLICT,
        413: Reply.TOO_LARGE,
        415: Reply.FORM,
        425: Reply.FAILED,
        429: Reply.THROTTLED,
    }
)
_MAY_NAME_ITEMS = frozenset({400, 422})
_NO_SUCH_ROW = frozenset({404, 410})


def refusal_of(response: Response, *, names_items: bool, is_object: bool) -> Reply:
    """Which reply a 3xx, 4xx or 5xx is. `names_items`: its body names bad items; `is_object`: it is a JSON object."""
    status = response.status
    if status in _MAY_NAME_ITEMS:
        return Reply.NAMED if names_items else Reply.UNNAMED
    if status in _NO_SUCH_ROW and is_object:
        return Reply.NO_ROW
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return Reply.REDIRECT if status < 400 else Reply.OTHER if status < 500 else Reply.FAILED
