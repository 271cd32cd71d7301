"""What is gone at the source: named."""

from __future__ import annotations

from bulkmove.pipeline.delta.work import PassWork

_A_LOOK = 2_000  # ids asked for at a time


async def name_departed(work: PassWork) -> None:
    """The list was read whole: records of the ledger that it does not hold are gone, unless a filter keeps them out."""
    if work.changing_filters:
        names = ", ".join(work.changing_filters)
        work.note(
            f"whether records left {work.job.settings.source} can't be told: with {names} of where, those that"
            " changed may not be shown, and be there all the same"
        )
        return
    after = ""
    while known := await work.passing.known_ids(after, _A_LOOK):
        after = known[-1][0]
        missing = await work.shown.missing([source_id for source_id, _ in known])
        await work.passing.note_departed(sorted(missing))
