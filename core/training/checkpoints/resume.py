"""Find the checkpoint that a run resumes from. Imports torch."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.common.errors import os_error_text
from core.common.version import __version__
from core.config.phases import PHASES
from core.config.schema import Config
from core.distributed.torchrun_env import Job
from core.events.record import Record
from core.events.types import RunResumed
from core.model.build import ModelError
from core.run.files import LAST_CHECKPOINT, PREVIOUS_CHECKPOINT
from core.run.find import is_of_job
from core.run.folder import RunFolder
from core.run.state import fold
from core.training.checkpoints.file import DamagedCheckpoint, read_checkpoint
from core.training.checkpoints.writer import manual_files
from core.training.start_point import StartPoint


def find_start_point(
    folder: RunFolder,
    past: Sequence[Record],
    config: Config,
    changes: Mapping[str, Any],
    job: Job,
) -> tuple[StartPoint, RunResumed, list[str]]:
    """Return the start point at a run's newest intact checkpoint, its event, and the problems.

    The problems are those of newer, damaged checkpoints. A run without any checkpoint starts from
    scratch. Raises ModelError if all checkpoints are damaged.
    """
    content, name, problems = find_resumable(folder.checkpoints)
    if content is None and problems:
        raise ModelError(f"run {folder.id} has no checkpoint to resume from: {'; '.join(problems)}")
    first = next(phase for phase in PHASES if config.phases.get(phase).epochs > 0)
    saved = content["train_state"] if content else {}
    event = RunResumed(
        run_id=folder.id,
        phase=saved.get("phase", first),
        epoch=saved.get("epoch", 1),
        step=saved.get("step", 0),
        global_step=saved.get("global_step", 0),
        checkpoint=name,
        changes=dict(changes),
        version=__version__,
        pid=os.getpid(),
        host=job.host,
        ranks=job.size,
        job=job.id,
        restart=bool(job.id) and is_of_job(past, job.id),
    )
    state = fold([*past, Record(1, 0.0, event)])
    epochs = [point.result for point in state.epochs]
    skipped = [f"{problem}; {name} is used instead" for problem in problems]
    return StartPoint(content, name, epochs, changes), event, skipped


def find_resumable(folder: Path) -> tuple[dict[str, Any] | None, str, list[str]]:
    """Return the content and name of the newest intact checkpoint, and problems with newer ones.

    Tries `last.pt`, its previous version, then the manual checkpoints, newest first. The content is
    None if no file can be used.
    """
    problems = []
    for path in (folder / LAST_CHECKPOINT, folder / PREVIOUS_CHECKPOINT, *manual_files(folder)):
        try:
            content = read_checkpoint(path)
        except FileNotFoundError:
            continue
        except DamagedCheckpoint as error:
            problems.append(str(error))
            continue
        except OSError as error:
            problems.append(f"{path.name} can't be read: {os_error_text(error)}")
            continue
        if "train_state" in content:
            return content, path.name, problems
        problems.append(f"{path.name} has no training state")
    return None, "", problems
