"""The warnings that go before a command's work, each once."""

from __future__ import annotations

from collections.abc import Sequence

from bulkmove.cli.exits import tell
from bulkmove.config import warnings_of
from bulkmove.cutover.addresses import doubled_paths
from bulkmove.settings import MigrationSettings


def all_warnings(settings: MigrationSettings) -> Sequence[str]:
    """What a careful person would not do, by the file alone and by the APIs that it names. Raises ConfigError for an API that is not there."""
    return tuple(dict.fromkeys((*warnings_of(settings), *doubled_paths(settings))))


def warn(settings: MigrationSettings) -> None:
    for warning in all_warnings(settings):
        tell(f"warning: {warning}")
