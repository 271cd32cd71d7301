"""Who is told what happens."""

from __future__ import annotations

from typing import Protocol

from bulkmove.events import Event


class Observer(Protocol):
    """Is told what happens while it happens. Must return at once and must not raise."""

    def on_event(self, event: Event) -> None: ...
