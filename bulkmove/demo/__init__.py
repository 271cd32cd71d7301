"""A migration shown and proven on the sandbox: what the targets hold is held against the source, field by field."""
