"""What a look at the hosts found, for people: a block a host, a line a finding, and what to write into the file."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from rich.text import Text

from bulkmove.model import Finding

# A sign, its word and a colour each: none of them alone tells.
_SIGNS = {"good": ("✓", "green"), "note": ("!", "yellow"), "assumed": ("?", "cyan"), "bad": ("✗", "red")}
_WIDEST_QUESTION = 22
_NARROWEST_TEXT = 24


def host_block(
    name: str, api: str, url: str, findings: Sequence[Finding], *, width: int | None
) -> Iterator[Text]:
    """One host's findings between its name and a verdict, what concerns one stream together.

    Broken at `width`; None breaks nothing, so that a finding is a line for whoever searches them.
    """
    yield Text.assemble((name, "bold"), f"  {api}  ", (url, "dim"))
    words = max((len(each.verdict) for each in findings), default=0)
    lengths = [len(each.question) for each in findings]
    questions = max((length for length in lengths if length <= _WIDEST_QUESTION), default=0)
    for finding in _by_subject(findings):
        sign, style = _SIGNS[finding.verdict]
        head = Text.assemble(
            (f"  {sign} {finding.verdict:{words}}", style), f"  {finding.question:{questions}}  "
        )
        yield from _hung(head, finding.text, indent=words + questions + 8, width=width)
        if finding.setting is not None:
            told = Text.assemble((f"in [hosts.{name}]: ", "dim"), (finding.setting, "bold"))
            yield Text(" " * (words + questions + 8)) + told
    yield verdict_on(name, findings)


def verdict_on(name: str, findings: Sequence[Finding]) -> Text:
    """The last line of a host."""
    counts = {verdict: sum(each.verdict == verdict for each in findings) for verdict in _SIGNS}
    told = ", ".join(f"{counts[verdict]} {text}" for verdict, text in _COUNTED if counts[verdict])
    state, style = (
        ("not ready: ", "bold red") if counts["bad"] else ("ready, " if told else "ready", "bold green")
    )
    return Text(f"{name}: {state}{told}", style)


_COUNTED = (("bad", "bad"), ("note", "to know"), ("assumed", "assumed"))


def _by_subject(findings: Sequence[Finding]) -> list[Finding]:
    """Those of one stream (`orders: pages`) follow each other, from where the first of them stands."""
    places: dict[str, int] = {}
    for finding in findings:
        places.setdefault(finding.question.partition(":")[0], len(places))
    return sorted(findings, key=lambda each: places[each.question.partition(":")[0]])


def _hung(head: Text, text: str, *, indent: int, width: int | None) -> Iterator[Text]:
    """The text behind its head; what does not fit hangs below its first line."""
    room = None if width is None else max(_NARROWEST_TEXT, width - indent)
    if head.cell_len > indent and room is not None:  # a question longer than its column
        head.rstrip()
        yield head
        head = Text(" " * indent)
    first, *more = [text] if room is None else textwrap.wrap(text, room) or [""]
    yield head + Text(first)
    for line in more:
        yield Text(" " * indent + line)
