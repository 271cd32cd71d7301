from __future__ import annotations

import anyio
import pytest

from tests.crash.proof import Lengths, learn_lengths


@pytest.fixture(scope="session")
def lengths(tmp_path_factory: pytest.TempPathFactory) -> Lengths:
    """How long an undisturbed run takes here and now: kills are spread over it."""
    return anyio.run(learn_lengths, tmp_path_factory.mktemp("lengths") / "rig")
