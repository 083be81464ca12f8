"""Strict YAML: plain values only, without aliases, tags or duplicate keys."""

import re
from typing import Any

import yaml

from core.common.errors import reason_of


class _Loader(yaml.SafeLoader):
    """SafeLoader that parses `1e-3` as a number (YAML 1.2) and rejects duplicate keys.

    Aliases are rejected too: a few nested ones expand to billions of values.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.events.AliasEvent):
            alias = self.get_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None,
                None,
                f"aliases are not supported: replace *{alias.anchor} with its value",
                alias.start_mark,
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be plain text", key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"duplicate key {key.value!r}", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


class _Dumper(yaml.SafeDumper):
    """SafeDumper that quotes every string that _Loader would parse as a number."""


for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
        list("-+.0123456789"),
    )


class InvalidYaml(ValueError):
    """A document is malformed; the text names the line and what is wrong with it."""


def load(text: str) -> Any:
    """Return the value of a document; raise InvalidYaml."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}: " if mark else ""
        raise InvalidYaml(f"{place}{error.problem or error.context}") from None
    except RecursionError:
        raise InvalidYaml("it is nested too deeply") from None
    except Exception as error:  # a tagged scalar is passed to the constructor of its type
        raise InvalidYaml(reason_of(error)) from None


def dump(tree: Any) -> str:
    """Return a document that `load` parses to an equal value."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
