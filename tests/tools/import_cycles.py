"""Find cycles among the imports of this program, those for type checkers included.

    python -m tests.tools.import_cycles

Exits with 1 and names each cycle if there is one. import-linter leaves out imports under
`TYPE_CHECKING`; a cycle through one of them still means that neither module can be read first.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("core", "tui")


def read_imports(root: Path, packages: tuple[str, ...] = PACKAGES) -> dict[str, set[str]]:
    """Return what each module imports of these packages; packages themselves are modules, too."""
    files = {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
        for package in packages
        for path in (root / package).rglob("*.py")
    }
    return {name: set(_imported(path, files)) - {name} for name, path in files.items()}


def _imported(path: Path, modules: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            submodules = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name for name in submodules if name in modules)
            if node.module in modules and not all(name in modules for name in submodules):
                yield node.module


def find_cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the strongly connected components of more than one module (Tarjan, 1972)."""
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = lowest[module] = len(index)
        stack.append(module)
        for imported in sorted(graph[module]):
            if imported not in index:
                visit(imported)
                lowest[module] = min(lowest[module], lowest[imported])
            elif imported in stack:
                lowest[module] = min(lowest[module], index[imported])
        if lowest[module] == index[module]:
            place = stack.index(module)
            component = stack[place:]
            del stack[place:]
            if len(component) > 1:
                found.append(_as_path(graph, component))

    for module in sorted(graph):
        if module not in index:
            visit(module)
    return found


def _as_path(graph: Mapping[str, set[str]], component: list[str]) -> list[str]:
    """Return a shortest cycle through the first module of a component."""
    start = min(component)
    paths = [[start]]
    seen: set[str] = set()
    for path in paths:
        for imported in sorted(graph[path[-1]] & set(component)):
            if imported == start:
                return [*path, start]
            if imported not in seen:
                seen.add(imported)
                paths.append([*path, imported])
    raise AssertionError("a strongly connected component has a cycle")


if __name__ == "__main__":
    cycles = find_cycles(read_imports(REPOSITORY))
    for cycle in cycles:
        print(" imports\n  ".join(cycle))
    sys.exit(1 if cycles else 0)
