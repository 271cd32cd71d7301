"""The person at the terminal who looks at the first records of a run before the rest."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from bulkmove.cli.asking import confirmed_meanwhile
from bulkmove.pipeline.checked import Checked
from bulkmove.report.canary import print_canary, print_canary_json
from bulkmove.report.standing import Standing


@dataclass(frozen=True, slots=True)
class TerminalWatch:
    """Implements `bulkmove.pipeline.canaries.CanaryWatch`. `yes`: all that is asked is answered already."""

    standing: Standing
    as_json: bool
    yes: bool

    def show(self, checked: Checked) -> None:
        with self.standing.hidden():
            if self.as_json:
                print_canary_json(checked)
            else:
                print_canary(checked)

    async def ask(self, question: str) -> bool:
        if self.yes or not sys.stdin.isatty():
            return self.yes
        with self.standing.hidden():
            return await confirmed_meanwhile(question)
