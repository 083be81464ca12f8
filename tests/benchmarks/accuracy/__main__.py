"""Accuracy of a recipe of this program, compared with what people would use instead.

    pip install -e '.[bench]'
    python -m tests.benchmarks.accuracy --data DIR [--data DIR …] --weights FILE --json FILE
    python -m tests.benchmarks.accuracy … --json FILE --resume
    python -m tests.benchmarks.accuracy … --ablate
    python -m tests.benchmarks.accuracy --table FILE

default   this program's recipe, with `--recipe` another preset or YAML file
previous  this program with the defaults of version 0.1
notebook  this program with the preset animals20, for the same model and image size
timm      timm's functions with the defaults of its train.py, all layers from the start
fastai    vision_learner and fine_tune with their defaults

All have the same images, split, start weights, image size and seeds, and each run has processes of
its own. Validation uses each program's own transform for it. With mode `epochs` all have as many
epochs of the fully trained phase; with mode `time` as many as take about the CPU time that
`default` had for the same folder and seed, by their CPU time per epoch in mode `epochs`, and their
schedules are planned for that number. CPU time is that of all processes of a contender, from the
start of training to the end of the last epoch: other programs on the machine disturb it little, and
least with `--threads 1`.

A folder without train/ and val/ is split by this program, by seed; `--data demo` draws the images
of the demo. `--json` gets one line per run; `--resume` skips what it contains already. A recipe is
recognized by all of its values: with changed defaults it is trained again.
"""

import argparse
import importlib.util
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.common.format import counted
from core.config.load import load_config
from core.data.split import SharedScan
from tests.benchmarks.accuracy import images, results
from tests.benchmarks.accuracy.contender import PEERS, train_apart
from tests.benchmarks.accuracy.own import ABLATIONS, PREVIOUS, Own
from tests.benchmarks.accuracy.results import DEFAULT, EPOCHS, MODES, TIME, Result
from tests.benchmarks.accuracy.task import Outcome, Task, epochs_within
from tests.benchmarks.common import machine_line, say, versions

CONTENDERS = (DEFAULT, "previous", "notebook", *PEERS)
Options = argparse.Namespace


@dataclass(frozen=True)
class Peer:
    """A contender that isn't this program."""

    label: str

    def digest(self, task: Task) -> str:
        """Return nothing: peers have no options."""
        return ""

    def train(self, task: Task, work: Path) -> Outcome:
        """Train in a new process."""
        return train_apart(self.label, task)


Contender = Own | Peer


def contenders(options: Options) -> list[Contender]:
    """Return the wanted contenders; one whose package is missing is left out with a message."""
    overrides = tuple(options.set)
    own = {
        DEFAULT: Own(DEFAULT, options.recipe, overrides=overrides),
        "previous": Own("previous", values=PREVIOUS),
        "notebook": Own("notebook", "animals20"),
    }
    if options.ablate:
        taken = [
            Own(f"{DEFAULT}, {name}", options.recipe, overrides=(*overrides, *changes))
            for name, changes in ABLATIONS.items()
        ]
        return [own[DEFAULT], *taken]
    found: list[Contender] = []
    for name in options.contenders.split(","):
        if name in own:
            found.append(own[name])
        elif importlib.util.find_spec(name) is None:
            say(f"{name} is not installed (extra bench): left out")
        else:
            found.append(Peer(name))
    return sorted(found, key=lambda contender: contender.label != DEFAULT)


class Session:
    """All runs of a call."""

    def __init__(self, options: Options, work: Path) -> None:
        self.options, self.work = options, work
        self.results = results.read(options.json) if options.json and options.resume else []
        self.known = {result.key: result for result in self.results}
        self.contenders = contenders(options)
        about = {"recipe": options.recipe, "set": options.set, "machine": machine_line()}
        self.about = {**about, "versions": versions()}
        self.runs = self.failed = 0

    def train_all(self) -> None:
        """Train all contenders with all folders and seeds."""
        for data in self.options.data:
            root, scan = images.source_folder(data, self.work), SharedScan()
            for seed in map(int, self.options.seeds.split(",")):
                target = self.work / f"{images.name_of(data)}-{seed}"
                folder = images.lay_out(root, target, seed, self.options.limit, scan)
                self._train_seed(images.name_of(data), self._task(folder, seed))

    def _train_seed(self, folder: str, task: Task) -> None:
        made: dict[str, Result] = {}
        for contender in self._different(task):
            if result := self._result(folder, contender, task, EPOCHS):
                made[contender.label] = result
        if TIME not in self.options.modes.split(","):
            return
        budget = made[DEFAULT].cpu_seconds if DEFAULT in made else None
        if budget is None:
            say(f"mode {TIME} needs contender {DEFAULT}: left out")
            return
        for contender in self.contenders:
            if contender.label not in made:
                continue
            equal = made[contender.label]
            same = contender.label == DEFAULT
            epochs = task.epochs if same else epochs_within(budget, equal.outcome)
            planned = replace(task, epochs=epochs)
            self._result(folder, contender, planned, TIME, equal)

    def _different(self, task: Task) -> Iterator[Contender]:
        """Yield the contenders without ablations of what the recipe doesn't have."""
        seen: set[str] = set()
        for contender in self.contenders:
            digest = contender.digest(task)
            if self.options.ablate and digest in seen:
                say(f"{contender.label}: not in the recipe, left out")
                continue
            seen.add(digest)
            yield contender

    def _result(
        self, folder: str, contender: Contender, task: Task, mode: str, equal: Result | None = None
    ) -> Result | None:
        """Return the known result, or train; None if that fails, so that the others continue.

        `equal` is the result of mode `epochs`.
        """
        task = self._with_batch_size(contender, task)
        empty = Result(
            self._setup(),
            folder,
            contender.label,
            task.seed,
            mode,
            task.epochs,
            {},
            contender.digest(task),
        )
        if empty.key in self.known:
            return self.known[empty.key]
        if equal is not None and equal.planned == task.epochs:
            outcome = equal.outcome
        else:
            self.runs += 1
            work = self.work / f"run-{self.runs}"
            try:
                outcome = contender.train(task, work)
            except RuntimeError as error:
                say(f"{folder}, seed {task.seed}, {mode}, {contender.label}: {error}")
                self.failed += 1
                return None
            finally:
                shutil.rmtree(work, ignore_errors=True)
        about = {**self.about, "date": time.strftime("%Y-%m-%d %H:%M"), "batch": task.batch_size}
        result = replace(empty, outcome=outcome, about=about)
        self.results.append(result)
        self.known[result.key] = result
        if self.options.json:
            results.append(self.options.json, result)
        say(_in_a_line(result))
        return result

    def _task(self, folder: Path, seed: int) -> Task:
        options = self.options
        given = load_config(options.recipe, options.set).data.batch_size
        return Task(
            data=str(folder),
            weights=str(options.weights.resolve()) if options.weights else None,
            model=options.model,
            epochs=options.epochs,
            seed=seed,
            image_size=options.image_size,
            batch_size=options.batch_size or (64 if given == "auto" else given),
            threads=options.threads,
        )

    def _with_batch_size(self, contender: Contender, task: Task) -> Task:
        """Return the task with the batch size of the earlier defaults for them."""
        if contender.label != "previous" or self.options.batch_size:
            return task
        return replace(task, batch_size=int(str(PREVIOUS["data.batch_size"])))

    def _setup(self) -> str:
        options = self.options
        parts = [options.model, options.weights.name if options.weights else "random weights"]
        parts += [f"{options.image_size} px", counted(options.epochs, "epoch")]
        parts += [f"batch {options.batch_size}"] if options.batch_size else []
        parts += [f"{counted(options.limit, 'image')} per class"] if options.limit else []
        return ", ".join(parts)


def _in_a_line(result: Result) -> str:
    head = "" if result.after_head is None else f"head {100 * result.after_head:.2f}%, "
    best, last = 100 * max(result.last_phase), 100 * result.last_phase[-1]
    return (
        f"{result.folder}, seed {result.seed}, {result.mode}, {result.contender}: {head}"
        f"best {best:.2f}%, last {last:.2f}%, {counted(result.planned, 'epoch')}, "
        f"{result.cpu_seconds:.0f} s of CPU time"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", action="append", metavar="DIR", help="images; repeatable; default: demo")
    add("--weights", type=Path, metavar="FILE", help="start weights; default: random")
    add("--model", default="convnext_atto", help="a timm model")
    add("--recipe", default="default", help="a preset or a YAML file")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="only for the recipe")
    add("--contenders", default=",".join(CONTENDERS), help="comma-separated names")
    add("--ablate", action="store_true", help="the recipe without each ingredient in turn")
    add("--modes", help="comma-separated; default: epochs,time, and epochs with --ablate")
    add("--seeds", default="1,2,3", help="comma-separated numbers")
    add("--epochs", type=int, default=10, help="epochs in which all layers are trained")
    add("--image-size", type=int, default=64)
    add("--batch-size", type=int, help="default: the recipe's; previous keeps its own")
    add("--limit", type=int, default=0, help="maximum training images per class, 0 = all")
    add("--threads", type=int, help="default: all cores")
    add("--json", type=Path, metavar="FILE", help="append every run there, one per line")
    add("--resume", action="store_true", help="skip runs that the JSON file contains")
    add("--table", type=Path, metavar="FILE", help="only print the tables of a JSON file")
    add("--quick", action="store_true", help="only check that it runs")
    return parser


def _checked(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> Options:
    options = parser.parse_args(arguments)
    options.data = options.data or [images.DEMO]
    options.modes = options.modes or (EPOCHS if options.ablate else ",".join(MODES))
    if options.quick:
        options.data, options.model, options.weights = [images.DRAWN], "test_convnext", None
        options.seeds, options.epochs, options.image_size = "1", 1, 32
    for given, names in ((options.contenders, CONTENDERS), (options.modes, MODES)):
        if unknown := set(given.split(",")) - set(names):
            parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(names)}")
    if options.epochs < 1:
        parser.error("--epochs must be at least 1")
    if options.resume and not options.json:
        parser.error("--resume needs --json")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Train all contenders and print the tables; returns 1 if one of them failed."""
    options, failed = _checked(_parser(), arguments), 0
    if options.table:
        found = results.read(options.table)
    else:
        with tempfile.TemporaryDirectory(prefix="convnext-tui-benchmark-") as work:
            session = Session(options, Path(work))
            session.train_all()
        found, failed = session.results, session.failed
    print("\n\n".join(map(str, results.tables(found))), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
