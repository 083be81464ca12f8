import ast
from pathlib import Path

from textual.binding import Binding

from tests.tui.bindings import all_bindings

HERE = Path(__file__).parent
_NOT_TESTABLE = {"ctrl+z"}
"""Suspends the process that presses it."""
_WITH_ALL_KEYS = {"bindings.py", "monkey.py", "test_monkey.py"}


def written_in_tests() -> set[str]:
    """Return all string constants of the app's tests, which press keys by name."""
    texts: set[str] = set()
    for file in HERE.glob("*.py"):
        if file.name not in _WITH_ALL_KEYS:
            tree = ast.parse(file.read_text("utf-8"))
            constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
            texts |= {node.value for node in constants if isinstance(node.value, str)}
    return texts


def test_each_binding_has_a_label_and_a_tooltip() -> None:
    for owner, binding in all_bindings():
        assert isinstance(binding, Binding)
        assert binding.description, f"{owner.__name__}: {binding.key}"
        assert binding.tooltip, f"{owner.__name__}: {binding.key}"


def test_each_binding_is_pressed_in_a_test() -> None:
    texts = written_in_tests()
    untested = [
        f"{owner.__name__}: {binding.key}"
        for owner, binding in all_bindings()
        if not (texts | _NOT_TESTABLE) & set(binding.key.split(","))
    ]
    assert untested == []
