"""What is imported when, and how long files are."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.tools.import_cycles import find_cycles, read_imports
from tests.tui.command import REPOSITORY, environment

TORCH_FREE = [
    "core.data.split",
    "core.demo.config",
    "core.inference.api",
    "core.inference.evaluation_result",
    "core.inference.export.model_card",
    "core.inference.html_report",
    "core.inference.predict",
    "core.session.engine_thread",
    "core.session.fit",
    "core.session.preflight",
    "core.study.find_runs",
    "core.study.run_groups_export",
    "core.study.statistics",
    "core.training.device_monitor",
]
"""Modules without torch in packages that may import it."""
_IMPORT_ALL = """
import importlib, pkgutil, sys

def load(name):
    module = importlib.import_module(name)
    loaded = {'torch', 'timm', 'torchvision', 'pandas'} & sys.modules.keys()
    assert not loaded, (name, loaded)
    return module

for name in sys.argv[1:]:
    module = load(name)
    for found in pkgutil.walk_packages(getattr(module, '__path__', []), name + '.'):
        if not found.name.endswith('__main__'):
            load(found.name)
"""


def torch_free_packages() -> list[str]:
    """Return the packages of the import contract, and the whole interface."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {each["name"]: each for each in project["tool"]["importlinter"]["contracts"]}
    return [*contracts["torch-free packages"]["source_modules"], "tui"]


@pytest.mark.parametrize("names", [torch_free_packages(), TORCH_FREE], ids=["packages", "modules"])
def test_torch_is_not_imported(names: list[str]) -> None:
    code = [sys.executable, "-c", _IMPORT_ALL, *names]
    subprocess.run(code, check=True, env=environment(), timeout=60)


def test_no_import_cycle() -> None:
    assert find_cycles(read_imports(REPOSITORY)) == []


def test_files_are_short() -> None:
    files = [path for top in ("core", "tui", "tests") for path in (REPOSITORY / top).rglob("*.py")]
    lines = {str(path): path.read_text(encoding="utf-8").count("\n") for path in files}
    assert [(path, count) for path, count in lines.items() if count > 400] == []


def test_import_cycles_are_found(tmp_path: Path) -> None:
    for name, code in {
        "a": "from tui.b import f",
        "b": "import tui.c",
        "c": "if TYPE_CHECKING:\n    from tui import a",
        "d": "from tui import a",
    }.items():
        (tmp_path / "tui").mkdir(exist_ok=True)
        (tmp_path / "tui" / f"{name}.py").write_text(code)
    assert find_cycles(read_imports(tmp_path)) == [["tui.a", "tui.b", "tui.c", "tui.a"]]


def test_the_first_frame_waits_for_nothing_that_only_a_run_needs() -> None:
    code = (
        "import sys, tui.cli.main, tui.cli.start, tui.app, tui.runtime.session\n"
        "import tui.screens.starting\n"
        "late = {'pydantic', 'yaml', 'plotext', 'PIL', 'psutil', 'core.run.state',"
        " 'core.session.engine_thread'}\n"
        "assert not late & sys.modules.keys(), late & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=environment(), timeout=60)


def test_the_library_imports_torch_when_it_is_used_and_no_screen() -> None:
    code = (
        "import sys, core\n"
        "assert 'torch' not in sys.modules\n"
        "from core import fit\n"
        "assert 'torch' not in sys.modules\n"
        "from core import Predictor, load_run\n"
        "assert 'torch' in sys.modules\n"
        "assert {'fit', 'Predictor'} <= set(dir(core))\n"
        "try: core.nothing\n"
        "except AttributeError: pass\n"
        "else: raise AssertionError\n"
        "import core.session.engine_thread, core.training.setup\n"
        "assert not {'textual', 'rich', 'plotext'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=environment(), timeout=60)


def test_a_folder_of_this_machine_needs_nothing_for_others() -> None:
    code = (
        "import sys, core.session.preflight, core.data.image_cache\n"
        "from core.data.check import check_data\n"
        "from core.data.sources import parse_location\n"
        "check_data(parse_location('configs'))\n"
        "assert 'fsspec' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=REPOSITORY, env=environment(), timeout=60
    )
