"""The program of `queue_kit`; it imports nothing of this project, so that it starts at once."""

import os
import signal
import sys
import time
from pathlib import Path


def main() -> int:
    """Do what --name says; returns the exit code."""
    given = {sys.argv[at]: sys.argv[at + 1] for at in range(1, len(sys.argv) - 1)}
    runs_dir, run = Path(given["--runs-dir"]), given.get("--resume", "")
    resumed = bool(run)
    act = (runs_dir / run / "act").read_text() if resumed else given["--name"]
    if not resumed:
        run = f"run-{act}-{os.getpid()}"
        (runs_dir / run).mkdir()
        (runs_dir / run / "act").write_text(act)
    (runs_dir / run / "pid").write_text(str(os.getpid()))
    announced = Path(os.environ["CONVNEXT_TUI_QUEUE_RUN"])
    announced.write_text(run)
    note(runs_dir, "resume" if resumed else "start", act, run)
    code = perform(act.split("-")[0], resumed, runs_dir)
    note(runs_dir, "end", act, run)
    return code


def perform(act: str, resumed: bool, runs_dir: Path) -> int:
    """Return the exit code of an act."""
    if act == "fail":
        print("Traceback: nonsense\nerror: the loss is not finite\nsee /log.txt")
        return 1
    if act == "silent":
        return 3
    if act == "die" or (act == "dieonce" and not resumed):
        os.kill(os.getpid(), signal.SIGKILL)
    if act in ("stop", "stoponce") and not (act == "stoponce" and resumed):
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
        wait_for(runs_dir / "never")
    if act == "gate":
        wait_for(runs_dir / "open")
    if act == "visible":
        print("error:", os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ["CUDA_DEVICE_ORDER"])
        return 1
    return 0


def wait_for(path: Path) -> None:
    """Wait until a file exists, a minute at most."""
    end = time.monotonic() + 60
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.01)


def note(runs_dir: Path, *words: str) -> None:
    """Append a line to the ledger, in one write."""
    file = os.open(runs_dir / "ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{' '.join(words)}\n".encode())
    os.close(file)


if __name__ == "__main__":
    sys.exit(main())
