"""Documentation of config keys, derived from the schema: default, allowed values, description."""

import json
from collections.abc import Iterator

from pydantic import BaseModel

from core.common.nested import Tree, flatten
from core.config.schema import Config


def all_keys() -> list[str]:
    """Return every dotted key that can be set."""
    return list(flatten(Config().model_dump()))


def default_value(key: str) -> str:
    """Return the default value of a key, as YAML text."""
    return json.dumps(flatten(Config().model_dump())[key])


def allowed_values(key: str) -> str:
    """Describe the allowed values of a key, from its type and limits."""
    schema = Config.model_json_schema()
    return _describe(_resolve(schema, _walk(schema, key.split("."))), schema)


def describe_key(key: str) -> str:
    """Return the documentation of a key."""
    model: type[BaseModel] = Config
    *sections, last = key.split(".")
    for section in sections:
        model = model.model_fields[section].annotation  # type: ignore[assignment]
    return " ".join((model.model_fields[last].description or "").split())


def _walk(schema: Tree, path: list[str]) -> Tree:
    node = schema
    for part in path:
        node = _resolve(schema, node)["properties"][part]
    return node


def _resolve(schema: Tree, node: Tree) -> Tree:
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
    return node


def _describe(node: Tree, schema: Tree) -> str:
    if "anyOf" in node:
        return " or ".join(_describe(_resolve(schema, option), schema) for option in node["anyOf"])
    if "words" in node:
        return str(node["words"])
    if "enum" in node:
        return " or ".join(str(option) for option in node["enum"])
    if "const" in node:
        return str(node["const"])
    kinds = {
        "integer": "a whole number",
        "number": "a number",
        "string": "text",
        "boolean": "true or false",
        "null": "null",
    }
    return kinds[node["type"]] + "".join(_limits(node))


def _limits(node: Tree) -> Iterator[str]:
    texts = {
        "minimum": "from",
        "exclusiveMinimum": "above",
        "maximum": "up to",
        "exclusiveMaximum": "below",
    }
    for limit, text in texts.items():
        if limit in node:
            yield f" {text} {node[limit]:g}"
    if "maxLength" in node:
        yield f" of 1 to {node['maxLength']} characters"
    elif "minLength" in node:
        yield " that is not empty"
