from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.integration.moving import Job, Stage, Stages, stage


@pytest.fixture(scope="session")
def started() -> Iterator[Stages]:
    """Sandboxes by their settings, each started when it is first asked for and kept until the end."""
    running: dict[str, Stage] = {}
    with ExitStack() as stack:

        def start(**settings: Any) -> Stage:
            key = repr(sorted(settings.items()))
            if key not in running:
                running[key] = stack.enter_context(stage(**settings))
            return running[key]

        yield start


@pytest.fixture
def sandbox(started: Stages) -> Stages:
    """A sandbox with the settings asked for, as clean as at its start; most tests take it as it comes."""

    def clean(**settings: Any) -> Stage:
        found = started(**settings)
        found.clean()
        return found

    return clean


@pytest.fixture
def job(sandbox: Stages, tmp_path: Path) -> Job:
    return Job(tmp_path, sandbox())
