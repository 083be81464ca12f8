"""The house's first rule, seen from outside: what is imported when."""

import subprocess
import sys

import pytest

from tests.tui.command import REPOSITORY, environment

TORCH_FREE = [
    *(
        "core.config.load",
        "core.events.types",
        "core.events.commands",
        "core.events.journal",
        "core.run.state",
    ),
    *(
        "core.run.folder",
        "core.run.eta",
        "core.events.describe",
        "core.run.early_stopping",
        "core.training.device_monitor",
    ),
    *("core.analysis.compare_export", "core.run.query", "core.run.actions", "core.run.notes"),
    *(
        "tui.viewmodel.comparison",
        "tui.viewmodel.replay",
        "tui.screens.compare",
        "tui.screens.replay",
    ),
    *("core.inference.api", "core.inference.predict", "core.inference.evaluation_result"),
    *("core.inference.html_report", "core.inference.export.model_card", "tui.cli.predict"),
    *(
        "core",
        "core.session.fit",
        "core.session.engine_thread",
        "core.session.preflight",
        "core.demo.config",
        "core.data.split",
    ),
    *("tui.app", "tui.runtime.reporters", "tui.runtime.session", "tui.cli.main"),
]


@pytest.mark.parametrize("module", TORCH_FREE)
def test_torch_is_not_imported(module: str) -> None:
    code = (
        f"import sys, {module}\n"
        "assert not {'torch', 'timm', 'torchvision', 'pandas'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=environment(), timeout=60)


def test_the_first_frame_waits_for_nothing_that_only_a_run_needs() -> None:
    code = (
        "import sys, tui.cli.main, tui.cli.start, tui.app, tui.runtime.session\n"
        "import tui.screens.starting\n"
        "late = {'pydantic', 'yaml', 'plotext', 'PIL', 'psutil', 'core.run.state',"
        " 'core.session.engine_thread'}\n"
        "assert not late & sys.modules.keys(), late & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=environment(), timeout=60)


def test_the_engine_knows_no_screen() -> None:
    code = (
        "import sys, core.session.engine_thread, core.training.setup\n"
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
