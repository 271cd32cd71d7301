"""What makes a process that does nothing but run a migration quicker."""

from __future__ import annotations

import gc

# A page of a hundred orders is fifteen thousand objects that live for milliseconds and hold no cycles: with the
# default of 700 the collector looks at them twenty times a page, which takes a tenth of the run.
_YOUNG_OBJECTS = 50_000


def tune() -> None:
    """Let the collector look less often, and not at what was imported."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 100)
