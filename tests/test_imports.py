"""The house's first rule, seen from outside: what is imported when."""

import subprocess
import sys

import pytest

from tests.tui.command import REPOSITORY, environment

TORCH_FREE = [
    *("core.config_io", "core.events", "core.commands", "core.journal", "core.run_state"),
    *("core.runs", "core.eta", "core.describe", "core.early_stopping", "core.telemetry"),
    *("core.compare_export", "core.run_query", "core.run_actions", "core.annotations"),
    *("tui.comparison", "tui.replay", "tui.screens.compare", "tui.screens.replay"),
    *("core.model_use", "core.inference.predicting", "core.inference.evaluation_result"),
    *("core.inference.html_report", "core.inference.model_card", "tui.cli_model"),
    *("core", "core.fitting", "core.worker", "core.preflight", "core.demo_run", "core.data.split"),
    *("tui.app", "tui.headless", "tui.session", "tui.cli"),
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
        "import sys, tui.cli, tui.app, tui.session, tui.screens.starting\n"
        "late = {'pydantic', 'yaml', 'plotext', 'PIL', 'psutil', 'core.run_state', 'core.worker'}\n"
        "assert not late & sys.modules.keys(), late & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=environment(), timeout=60)


def test_the_engine_knows_no_screen() -> None:
    code = (
        "import sys, core.worker, core.prepare\n"
        "assert not {'textual', 'rich', 'plotext'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=environment(), timeout=60)


def test_a_folder_of_this_machine_needs_nothing_for_others() -> None:
    code = (
        "import sys, core.preflight, core.data.picture_cache\n"
        "from core.data.check import check\n"
        "from core.data.storage import place_of\n"
        "check(place_of('configs'))\n"
        "assert 'fsspec' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=REPOSITORY, env=environment(), timeout=60
    )
