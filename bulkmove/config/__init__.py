"""`migration.toml` → validated, frozen settings.

load.py         reads the file and makes the settings
schema.py       the shape of the file, with the descriptions that editor_schema.py tells an editor
checks.py, rates.py  single values
lookup_tables.py  the shape of a look-up · credential_shapes.py  of a credential · shapes.py  what its parts share
fields.py       the shape of a mapping without code · field_checks.py  single values of it
expressions.py  its JMESPath, parsed and asked what it reads
variables.py    ${ENVIRONMENT} in strings · credentials.py  secrets from variables, files and commands
validation.py   what does not fit the schema · references.py  names that name nothing · problems.py  how both are told
cautions.py     what is allowed and doubtful
show.py         the settings as people read them, without secrets
starter/        the files that `bulkmove init` writes
"""

from bulkmove.config.cautions import warnings_of
from bulkmove.config.editor_schema import json_schema
from bulkmove.config.load import load_migration, read_document
from bulkmove.config.show import described, show

__all__ = ["described", "json_schema", "load_migration", "read_document", "show", "warnings_of"]
