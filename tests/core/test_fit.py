"""`core.fit` trains a run in the calling process."""

import subprocess
import sys
from pathlib import Path

import pytest

from core import TrainingFailed, fit, load_run
from core.common.errors import SetupError
from core.events import types as ev
from core.events.journal import replay
from core.run.folder import RunFolder
from core.run.lock import is_locked
from tests.core.engine_kit import SMALL, small_config
from tests.stages import slow_except
from tests.tools.processes import fork_server
from tests.tui.command import environment


def test_a_run_finishes_and_its_events_reach_the_caller(photos: Path, tmp_path: Path) -> None:
    events: list[ev.Event] = []
    run = fit(
        overrides=[*SMALL, "phases.full.epochs=0"],
        values={"data.root": str(photos)},
        runs_dir=tmp_path,
        on_event=events.append,
    )
    assert run.outcome == "finished"
    assert run.folder.parent == tmp_path
    written, _ = replay(run.folder / "events.jsonl")
    assert [repr(record.event) for record in written] == [repr(event) for event in events]
    assert run.summary.best_val_top1 == load_run(run).metrics["val_top1"]
    assert not is_locked(RunFolder(run.folder))


def test_a_run_that_cannot_start_leaves_no_files(tmp_path: Path, photos: Path) -> None:
    with pytest.raises(SetupError, match="is not a timm model"):
        fit(small_config(photos, "model.name=convnext_none"), runs_dir=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_failed_run_reports_the_reason_and_its_folder(tmp_path: Path, photos: Path) -> None:
    config = small_config(photos, "phases.head.lr=1e30", "nonfinite=stop", "clip_grad_norm=null")
    with pytest.raises(TrainingFailed, match="not finite") as failure:
        fit(config, runs_dir=tmp_path)
    assert failure.value.folder is not None
    assert (failure.value.folder / "events.jsonl").exists()


def test_an_exception_of_the_callback_stops_the_run_with_a_checkpoint(
    tmp_path: Path, photos: Path
) -> None:
    def interrupt(event: ev.Event) -> None:
        if isinstance(event, ev.EpochEnded):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(small_config(photos, "phases.head.epochs=1000"), runs_dir=tmp_path, on_event=interrupt)
    (folder,) = tmp_path.iterdir()
    assert not is_locked(RunFolder(folder))
    assert (folder / "checkpoints" / "last.pt").exists()
    assert isinstance(replay(folder / "events.jsonl")[0][-1].event, ev.RunEnded)


@pytest.mark.parametrize("is_new", slow_except([False, True], False))
@pytest.mark.parametrize("from_stdin", [False, True])
def test_a_script_without_a_main_guard_trains_once_with_workers(
    from_stdin: bool, is_new: bool, photos: Path, tmp_path: Path
) -> None:
    script = (
        "from core import fit\n"
        "print('begins')\n"
        f"fit(overrides={[*SMALL, 'data.workers=1', 'phases.full.epochs=0']!r},\n"
        f"    values={{'data.root': {str(photos)!r}}}, runs_dir='runs')\n"
        "print('ends')\n"
    )
    (tmp_path / "script.py").write_text(script)
    start = "" if is_new else fork_server().interpreter
    done = subprocess.run(
        [start or sys.executable, *([] if from_stdin else ["script.py"])],
        input=script if from_stdin else "",
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "begins\nends\n"
    assert done.stderr == ""
    assert len(list((tmp_path / "runs").glob("2*"))) == 1
