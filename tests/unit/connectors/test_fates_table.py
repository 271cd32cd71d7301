"""The table of fates against what it has to agree with: the transport's verdicts, the targets' rules, the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from bulkmove.connectors.fates import FATES, Fate, Kind, Reply, refusal_of
from bulkmove.connectors.scripted import ScriptedTransport, answer
from bulkmove.settings import HostSettings, RouteSettings, StreamName
from bulkmove.transport.answers import Verdict, verdict_on
from tests.integration.fated_scenes import SCENES, Scene

DOCS = Path(__file__).parents[3] / "docs" / "guarantees.md"
# What a status means for its request, whatever it did: what the transport does with it.
VERDICTS = {
    Reply.REDIRECT: Verdict.REDIRECTED,
    Reply.CREDENTIALS: Verdict.REFUSED,
    Reply.THROTTLED: Verdict.THROTTLED,
    Reply.FAILED: Verdict.UNSETTLED,
}


def test_each_status_means_to_the_transport_what_it_means_in_the_table() -> None:
    for status in range(300, 600):
        reply = refusal_of(answer(status), names_items=False, is_object=False)
        assert verdict_on(answer(status), lambda _: False) is VERDICTS.get(reply, Verdict.SETTLED), status


def test_what_may_be_applied_is_in_doubt_unless_it_can_be_repeated() -> None:
    for reply in (
        Reply.UNREADABLE,
        Reply.FAILED,
        Reply.PASSING,
        Reply.UNSENT,
        Reply.LATE,
        Reply.RESET,
        Reply.CUT,
    ):
        for kind, fate in FATES[reply].items():
            assert fate is (Fate.AGAIN if kind.is_repeatable else Fate.DOUBT), (reply, kind)


def test_nothing_of_a_refused_array_is_taken_for_written_or_refused_as_a_whole() -> None:
    """One bad record costs one record."""
    arrays = (Kind.ARRAY_CREATE, Kind.ARRAY_UPDATE, Kind.ARRAY_SET, Kind.JOINED)
    for reply in (Reply.NAMED, Reply.UNNAMED, Reply.ERRORS, Reply.CONFLICT, Reply.FORM, Reply.TOO_LARGE):
        for kind in arrays:
            assert FATES[reply][kind] not in {Fate.WRITTEN, Fate.REJECTED}, (reply, kind)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: f"{scene.connector.name} {scene.kind.name}")
def test_each_kind_is_repeatable_where_its_target_says_so(scene: Scene) -> None:
    host = HostSettings("new", scene.connector.name, "https://shop.example.ro")
    to = StreamName("new", scene.stream)
    route = RouteSettings("r", StreamName("old", "x"), to, "m", mode=scene.mode, options=scene.options)
    target = scene.connector.target(scene.stream, ScriptedTransport(host, lambda _: answer()), route)
    action = "create" if scene.mode == "create" else "update"
    assert target.rules[action].is_repeatable is scene.kind.is_repeatable


def test_the_documentation_shows_the_table_as_it_is() -> None:
    text = DOCS.read_text(encoding="utf-8")
    heads = ["answer", *(kind.value for kind in Kind)]
    lines = [" | ".join(heads)]
    for reply, row in FATES.items():
        lines.append(" | ".join([reply.value, *(f"`{row[k].value}`" if k in row else "" for k in Kind)]))
    shown = [line.strip("| ").strip() for line in text.splitlines() if line.startswith("| ")]
    for line in lines:
        assert line.strip("| ").strip() in shown, f"docs/guarantees.md lacks: | {line} |"
    for fate in Fate:
        assert any(line.startswith(f"`{fate.value}` | ") for line in shown), f"{fate.value} is not explained"
