"""Run the benchmarks one after the other, each in its own process.

    python -m tests.benchmarks [--only peers,ui] [--data DIR] [--weights FILE] [--quick]
                               [--json DIR] [--append]

`--json` writes one file per benchmark into a folder, `--append` adds the output to RESULTS.md in
this folder. All of them take about two hours on two cores, without `accuracy`, which takes hours of
its own; the machine should be idle otherwise.
"""

import argparse
import importlib.util
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks.common import REPOSITORY, machine_line, say, versions

# In this order; each with whether it takes images and start weights.
BENCHMARKS = {
    "start": False,
    "step": False,
    "review": False,
    "terminal": True,
    "answer": True,
    "ui": True,
    "peers": True,
    "views": True,
    "recipes": True,
    "accuracy": True,
    "ranks": True,
    "gpu": False,
    "remote": False,
}
RESULTS = Path(__file__).with_name("RESULTS.md")
_ASIDE = {"review"}  # may be missing in an older checkout


def main() -> int:
    """Run the selected benchmarks; returns 1 if one of them failed."""
    options = _parser().parse_args()
    names = options.only.split(",") if options.only else _present()
    printed, failed = {}, []
    for name in names:
        say(f"benchmark {name}")
        done = subprocess.run(_command(name, options), cwd=REPOSITORY, stdout=subprocess.PIPE)
        printed[name] = done.stdout.decode().strip()
        print(f"== {name}\n{printed[name]}\n", flush=True)
        if done.returncode:
            failed.append(name)
    if options.append:
        append(RESULTS, {name: text for name, text in printed.items() if name not in failed})
    if failed:
        say(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def append(file: Path, printed: dict[str, str]) -> None:
    """Add a section with date and machine to the results."""
    about = ", ".join(f"{name} {version}" for name, version in versions().items())
    lines = [f"\n## {time.strftime('%Y-%m-%d')}: {machine_line()}", "", about]
    for name, text in printed.items():
        lines += ["", f"### {name}", "", "```text", text, "```"]
    head = "" if file.exists() else "# Benchmark results\n"
    with file.open("a", encoding="utf-8") as results:
        results.write(head + "\n".join(lines) + "\n")


def _present() -> list[str]:
    spec = importlib.util.find_spec
    return [n for n in BENCHMARKS if n not in _ASIDE or spec(f"tests.benchmarks.{n}")]


def _command(name: str, options: argparse.Namespace) -> list[str]:
    command = [sys.executable, "-m", f"tests.benchmarks.{name}"]
    if options.quick:
        command.append("--quick")
    if options.json:
        options.json.mkdir(parents=True, exist_ok=True)
        command += ["--json", str(options.json.resolve() / f"{name}.json")]
    if BENCHMARKS.get(name):
        for option in ("data", "weights"):
            if getattr(options, option):
                command += [f"--{option}", str(getattr(options, option).resolve())]
    return command


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", metavar="NAMES", help="comma-separated names")
    parser.add_argument("--quick", action="store_true", help="only check that they run")
    parser.add_argument("--data", type=Path, metavar="DIR", help="images in train/ and val/")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="start weights")
    parser.add_argument("--json", type=Path, metavar="DIR", help="write one file each there")
    parser.add_argument("--append", action="store_true", help="add a section to RESULTS.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
