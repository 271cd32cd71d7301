"""bulkmove moves a shop's orders and products between REST APIs in bulk.

async with bulkmove.open_migration("migration.toml") as migration:
    summary = await migration.run(observer=…)
"""

from bulkmove.errors import BulkmoveError, RejectRecordError
from bulkmove.protocols import MapContext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bulkmove.pipeline.migration import Migration, open_migration

__all__ = ["BulkmoveError", "MapContext", "Migration", "RejectRecordError", "open_migration"]


def __getattr__(name: str) -> object:
    # The pipeline brings every room with it; a mapper that imports its context shall not wait for that.
    if name in {"Migration", "open_migration"}:
        from bulkmove.pipeline import migration  # noqa: PLC0415  a mapper that imports its context does not wait for it

        return getattr(migration, name)
    raise AttributeError(f"module 'bulkmove' has no attribute {name!r}")
