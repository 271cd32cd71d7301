"""Pages out of any Source, and the proof that a list was read whole."""

from bulkmove.entries import Span
from bulkmove.extract.keyset import KeysetResult, read_keyset
from bulkmove.extract.passes import PassesResult, RowSink, read_passes
from bulkmove.extract.plan import plan_spans
from bulkmove.extract.reader import OnSplit, ReadPage, Sink
from bulkmove.extract.spans import can_split, first_spans, split
from bulkmove.extract.tally import Tally
from bulkmove.extract.undated import count_undated

__all__ = [
    "KeysetResult",
    "OnSplit",
    "PassesResult",
    "ReadPage",
    "RowSink",
    "Sink",
    "Span",
    "Tally",
    "can_split",
    "count_undated",
    "first_spans",
    "plan_spans",
    "read_keyset",
    "read_passes",
    "split",
]
