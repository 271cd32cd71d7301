"""How many examples a parser is given: some, the same ones, in every run; many, and ever new ones, with `-m long`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

Run = Callable[[Coroutine[Any, Any, Any]], Any]
_HERE = Path(__file__).parent
_ASKED_FOR = re.compile(r"(?<!not )\blong\b")
_COMMON: dict[str, Any] = {
    "deadline": None,  # what hangs is ended by pytest's own time-out; machines that are busy are slow
    "suppress_health_check": [
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
}
settings.register_profile(
    "fuzz", settings.get_profile("default"), max_examples=25, derandomize=True, database=None, **_COMMON
)
settings.register_profile("fuzz long", settings.get_profile("default"), max_examples=2_000, **_COMMON)


def _is_long(config: pytest.Config) -> bool:
    return _ASKED_FOR.search(config.getoption("markexpr")) is not None


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[Any]:
    """Tests take up the profile that holds while their module is imported; others keep their own."""
    before = settings.get_current_profile_name()
    if isinstance(collector, pytest.Module):
        settings.load_profile("fuzz long" if _is_long(collector.config) else "fuzz")
    try:
        return (yield)
    finally:
        settings.load_profile(before)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The same tests are long ones where those are asked for."""
    for item in items:
        if _is_long(config) and item.path.is_relative_to(_HERE):
            item.add_marker("long")
            item.add_marker(pytest.mark.timeout(1800))


@pytest.fixture(scope="session")
def run() -> Iterator[Run]:
    """Runs a coroutine to its end, on one loop for all examples."""
    with asyncio.Runner() as runner:
        yield runner.run
