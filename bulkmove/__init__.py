"""bulkmove moves a shop's orders and products between REST APIs in bulk.

async with bulkmove.open_migration("migration.toml") as migration:
    summary = await migration.run(observer=…)
"""

import importlib

from bulkmove.errors import BulkmoveError, RejectRecordError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bulkmove.pipeline.migration import Migration, open_migration
    from bulkmove.protocols import MapContext

__all__ = ["BulkmoveError", "MapContext", "Migration", "RejectRecordError", "open_migration"]

# The pipeline brings every room with it: who wants a mapper's context, or the help of a command, does not wait for that.
_LATER = {
    "MapContext": "bulkmove.protocols",
    "Migration": "bulkmove.pipeline.migration",
    "open_migration": "bulkmove.pipeline.migration",
}


def __getattr__(name: str) -> object:
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module 'bulkmove' has no attribute {name!r}")
