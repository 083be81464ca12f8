"""A run's helper processes end with it, however it ends."""

import subprocess
from pathlib import Path

import psutil
import pytest

from tests.make_images import make_images
from tests.tui.command import ENDLESS, command, environment, read_until


@pytest.mark.slow
def test_they_end_with_a_main_process_that_was_killed(tmp_path: Path) -> None:
    photos = make_images(tmp_path / "photos", classes=2, per_class=8)
    arguments = ["--no-ui", "--log-format", "json", "--data", str(photos), *ENDLESS]
    # A new process: in a forked one all helpers would be forked, too.
    with subprocess.Popen(
        command(*arguments, "--set", "data.workers=2"),
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        read_until(process, "EpochEnded")
        helpers = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    assert len(helpers) >= 5  # a tracker, the server of the workers, two workers and one
    assert psutil.wait_procs(helpers, timeout=20)[1] == []
