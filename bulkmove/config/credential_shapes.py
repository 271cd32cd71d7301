"""The shape of a credential: a text, a file that holds it, or a command that prints it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Discriminator, Field, Tag

from bulkmove.config.shapes import SHAPE, Filled


class CredentialFile(BaseModel):
    """A credential that stands in a file of its own."""

    model_config = SHAPE

    file: Filled
    """The file's path, relative to the migration's directory. A line break at its end is not part of the credential."""


class CredentialCommand(BaseModel):
    """A credential that a command prints, such as a password manager's."""

    model_config = SHAPE

    command: Annotated[list[Filled], Field(min_length=1)]
    """The program and its arguments, run without a shell in the migration's directory, for 30 seconds at most."""


def _kind_of_credential(value: object) -> str | None:
    if isinstance(value, str):
        return "<text>"
    keys = value if isinstance(value, dict) else ()
    return next((f"<{kind}>" for kind in ("file", "command") if kind in keys), None)


Credential = Annotated[
    Annotated[str, Tag("<text>")]
    | Annotated[CredentialFile, Tag("<file>")]
    | Annotated[CredentialCommand, Tag("<command>")],
    Discriminator(
        _kind_of_credential,
        custom_error_type="credential",
        custom_error_message='must be "${VARIABLE}", { file = "…" } or { command = ["…"] }',
    ),
]
