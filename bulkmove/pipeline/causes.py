"""The causes that records fail for, each with what a person does about it. `docs/guarantees.md` shows the same."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_HINTS = (
    ("mapper", "do as its message says"),
    ("mapper-error", "failures -v shows the traceback; mend the mapper"),
    ("not-json", "mend the mapper"),
    ("unknown-field", "mend the mapper"),
    ("bad-body", "mend the mapper"),
    ("bad-id", "mend the mapper"),
    ("unresolved", "decide in decisions.toml, or mend the table"),
    ("on-demand", 'async and await context.find, or load = "whole"'),
    ("no-value no-table-entry bad-number bad-date bad-boolean bad-text bad-list bad-key bad-expression",
     "mend the table, or the data"),
    ("not-derived bad-row no-id", "mend it at the source, and begin anew with run --fresh"),
    ("no-lines bad-line no-status no-product bad-quantity bad-table no-new-id", "mend table or options"),
    ("no-key has-id", "mend the mapper"),
    ("duplicate-key", "look at both records, and take one out or give it another key"),
    ("ambiguous-key", "clear the target up"),
    ("exists no-match", 'use mode = "upsert" in a fresh run, or leave it'),
    ("no-target-id", "look at the target"),
    ("no-deletion", "begin anew with run --fresh"),
    ("key-not-kept no-handler no-update", "do as its message says"),
    ("no-column zero-byte", "mend the mapper, or options.columns"),
    ("not-found", "look at the target: the row is gone, or the path is wrong"),
    ("lines-left", 'delete the lines on the target, or items_on_update = "replace" if that is how the shop works'),
    ("too-large", "make the body smaller, or ask the host for a larger limit"),
    ("refused", "mend the mapper or the data, then retry --remap"),
    ("row-written-since", "look at the row: what was written later stays; change it by hand where this one shall hold"),
    ("none-left", "retry maps it anew, and makes its row once more; or leave it"),
    ("kept-failing", "look at the record; ask the host"),
    ("found-twice", "look at the target, and delete one of the rows"),
    ("doubled found-late", "look at the target, delete what is too much, then run again"),
    ("not-applied", "look at the target; ask the host"),
    ("not-shown", "look at the target, and decide"),
    ("differs", "look at the target: make the row what it shall be, or delete it"),
)  # fmt: skip

HINTS: Mapping[str, str] = MappingProxyType(
    {cause: hint for causes, hint in _HINTS for cause in causes.split()}
)
# For the causes that a user's mapper names.
_BY_A_MAPPER = "do as its message says: the mapper named this cause"


def hint(cause: str) -> str:
    """What a person does about failures of this cause, in a line."""
    return HINTS.get(cause, _BY_A_MAPPER)
