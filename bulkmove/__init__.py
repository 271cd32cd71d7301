"""bulkmove moves a shop's orders and products between REST APIs in bulk."""

from bulkmove.errors import BulkmoveError, RejectRecordError
from bulkmove.protocols import MapContext

__all__ = ["BulkmoveError", "MapContext", "RejectRecordError"]
