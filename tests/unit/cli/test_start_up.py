"""What a command imports before it answers: a heavy module in the way of a run's first request is a slow start."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Each takes its milliseconds, and is needed by whoever asks for it alone.
_NEVER = ("matplotlib", "prometheus_client", "pytest", "IPython", "numpy")
_ALL_BUT_CLICK = (
    "aiohttp",
    "anyio",
    "asyncio",
    "pydantic",
    "rich",
    "sqlite3",
    "msgspec",
    "orjson",
    "bulkmove.protocols",
)


def _imported(statement: str) -> set[str]:
    told = subprocess.run(
        [sys.executable, "-c", f"{statement}\nimport sys; print(*sys.modules, sep='\\n')"],
        check=True,
        capture_output=True,
        text=True,
    )
    return set(told.stdout.split())


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        pytest.param("import bulkmove.cli.group", _ALL_BUT_CLICK, id="help"),
        pytest.param(
            "import bulkmove.cli.run", ("aiohttp", "anyio", "pydantic", "rich", "sqlite3"), id="run --help"
        ),
        pytest.param(
            "import bulkmove.cli.run, bulkmove.cli.running",
            (
                "rich",
                "tomlkit",
                "bulkmove.pipeline.migration",
                "bulkmove.pipeline.preview",
                "bulkmove.pipeline.delta",
                "bulkmove.cutover.verify",
                "bulkmove.sandbox",
                "bulkmove.report.telling",
            ),
            id="run",
        ),
        pytest.param(
            "import bulkmove.cli.status, bulkmove.pipeline.status",
            (
                "aiohttp",
                "pydantic",
                "rich",
                "bulkmove.transport",
                "bulkmove.mapping",
                "bulkmove.pipeline.runner",
            ),
            id="status",
        ),
    ],
)
def test_what_a_command_does_not_need_is_not_imported_before_it_answers(
    statement: str, unwanted: tuple[str, ...]
) -> None:
    imported = _imported(statement)
    assert "bulkmove.cli" in imported
    assert not imported & {*unwanted, *_NEVER}


def test_a_mapper_gets_what_it_imports_without_waiting_for_the_rest() -> None:
    imported = _imported("from bulkmove import MapContext, RejectRecordError")
    assert not imported & {"aiohttp", "pydantic", "rich", "sqlite3", "anyio"}
