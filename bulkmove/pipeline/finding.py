"""What a run found of hosts whose rate nobody states, in words that can be put into the configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bulkmove.events import Event, Note
from bulkmove.transport import HostTransport

# Fewer requests have hardly begun to look.
FEWEST_REQUESTS = 200


def tell_found(transports: Mapping[str, HostTransport], emit: Callable[[Event], None]) -> None:
    """A note of each host whose limit was found, or was not met."""
    for name, transport in transports.items():
        found = transport.found
        if found is None or transport.requests < FEWEST_REQUESTS:
            continue
        at_once = f"{found.rate} with {found.at_once} at once"
        if found.refusals:
            times = "once" if found.refusals == 1 else f"{found.refusals:,} times"
            said = (
                f"it took up to {at_once}, but answered 429 {times}: its limit is lower; ask what is allowed"
            )
        elif found.told_by is None:
            said = f"it took up to {at_once}, and was not at its limit"
        else:
            said = f'found {at_once}; set rate = "{found.rate}"'
        if found.told_by == "latency" and not found.refusals:
            said += f" and concurrency = {found.at_once}: its latency climbs with more"
        emit(Note(f"host {name}: no rate is set; {said}"))
