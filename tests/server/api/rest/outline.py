"""What an OpenAPI document refers to."""


def references(part: object) -> set[str]:
    """Return every $ref below a part of a document."""
    if isinstance(part, dict):
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*map(references, part.values()))
    return set().union(*map(references, part)) if isinstance(part, list) else set()
