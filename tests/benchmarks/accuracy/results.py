"""Results of single runs, as lines of a JSON file, and the tables that are printed of them."""

import json
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from core.config.phases import FULL, HEAD
from tests.benchmarks.accuracy.task import Outcome, outcome_from_tree
from tests.benchmarks.common import NOTHING, Table, mean

DEFAULT = "default"
FASTAI = "fastai"
EPOCHS, TIME = "epochs", "time"
MODES = {
    EPOCHS: "equal epochs of the fully trained phase",
    TIME: f"epochs for the CPU time of {DEFAULT}",
}
_Value = Callable[["Result"], float]


@dataclass(frozen=True)
class Result:
    """One training of a contender."""

    setup: str
    """Model, weights, image size and limit: what is equal for all contenders."""
    folder: str
    contender: str
    seed: int
    mode: str
    planned: int
    """Epochs of phase full."""
    outcome: Outcome
    digest: str = ""
    """Hash of the recipe of this program."""
    about: dict[str, Any] = field(default_factory=dict)
    """Date, versions and settings."""

    @property
    def key(self) -> tuple[object, ...]:
        """Return what identifies the training: with the same key it needn't be repeated."""
        names = self.setup, self.folder, self.contender, self.seed
        return (*names, self.mode, self.planned, self.digest)

    @property
    def last_phase(self) -> list[float]:
        """Return the accuracies of the last phase."""
        return next(reversed(self.outcome.values())).val_top1

    @property
    def overall_best(self) -> float:
        """Return the best accuracy of all phases."""
        return max(top1 for phase in self.outcome.values() for top1 in phase.val_top1)

    @property
    def after_head(self) -> float | None:
        """Return the best accuracy of phase head, where there is one."""
        return max(self.outcome[HEAD].val_top1) if HEAD in self.outcome else None

    @property
    def cpu_seconds(self) -> float:
        """Return the CPU time of training, without start-up."""
        return sum(phase.cpu_seconds for phase in self.outcome.values())

    @property
    def epoch_cpu_seconds(self) -> float:
        """Return the CPU time of an epoch of phase full."""
        return self.outcome[FULL].cpu_seconds / len(self.outcome[FULL].val_top1)

    def to_json(self) -> str:
        """Return a line of the file, with the figures of the tables as well."""
        full = self.outcome[FULL]
        figures = {
            "best": max(self.last_phase),
            "last": self.last_phase[-1],
            "overall_best": self.overall_best,
            "after_head": self.after_head,
            "epochs": sum(len(phase.val_top1) for phase in self.outcome.values()),
            "seconds": sum(phase.seconds for phase in self.outcome.values()),
            "cpu_seconds": self.cpu_seconds,
            "seconds_per_epoch": full.seconds / len(full.val_top1),
            "cpu_seconds_per_epoch": self.epoch_cpu_seconds,
        }
        return json.dumps({**asdict(self), "figures": figures})


def read(file: Path) -> list[Result]:
    """Return the results in a file; a line that an interruption left incomplete is skipped."""
    results = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        try:
            values = json.loads(line)
        except json.JSONDecodeError:
            continue
        del values["figures"]
        results.append(Result(**{**values, "outcome": outcome_from_tree(values["outcome"])}))
    return results


def append(file: Path, result: Result) -> None:
    """Add a line to a file, after an incomplete one, too."""
    with file.open("a+b") as lines:
        if lines.seek(0, 2) and (lines.seek(-1, 2), lines.read(1))[1] != b"\n":
            lines.write(b"\n")
        lines.write(result.to_json().encode() + b"\n")


def tables(results: Iterable[Result]) -> list[Table]:
    """Return the tables of all results; of a repeated training the last one counts."""
    newest: dict[tuple[object, ...], Result] = {}
    for result in results:
        key = result.setup, result.folder, result.mode, result.contender, result.seed
        newest[key] = result
    groups: dict[tuple[str, str, str], list[Result]] = {}
    for result in newest.values():
        groups.setdefault((result.setup, result.mode, result.folder), []).append(result)
    made = [_accuracy_table(*key, found) for key, found in groups.items()]
    return [*made, *(_phases_table(*key, found) for key, found in groups.items())]


def _accuracy_table(setup: str, mode: str, folder: str, results: list[Result]) -> Table:
    table = Table(
        f"{folder}: val top-1 in %, {MODES[mode]} ({setup})",
        [
            *("contender", "seeds", "epochs", "best", "last", f"best − {DEFAULT}"),
            *("vs best other", f"vs {FASTAI}", "CPU s", "CPU s/epoch"),
        ],
    )
    by_name = _by_contender(results)
    others = [name for name in by_name if not is_own(name)]
    best_other = max(others, key=lambda n: mean(map(_best, by_name[n].values())), default=None)
    for name, found in by_name.items():
        runs = list(found.values())
        compared: list[str | None] = [None if name == DEFAULT else DEFAULT]
        compared += [best_other, FASTAI] if is_own(name) else [None, None]
        table.add(
            name,
            str(len(runs)),
            f"{mean(len(run.last_phase) for run in runs):.0f}",
            _spread([_best(run) for run in runs]),
            _spread([run.last_phase[-1] for run in runs]),
            *(_difference(found, by_name.get(other or "", {})) for other in compared),
            f"{mean(run.cpu_seconds for run in runs):.0f}",
            f"{mean(run.epoch_cpu_seconds for run in runs):.1f}",
        )
    return table


def _phases_table(setup: str, mode: str, folder: str, results: list[Result]) -> Table:
    table = Table(
        f"{folder}: phase head and phase full, best val top-1 in %, {MODES[mode]} ({setup})",
        ["contender", "head", "full", "full − head", "head epochs", "head CPU s"],
    )
    for name, found in _by_contender(results).items():
        runs = list(found.values())
        full = _spread([_best(run) for run in runs])
        pairs = [(run, run.after_head) for run in runs if run.after_head is not None]
        if not pairs:
            table.add(name, NOTHING, full, NOTHING, NOTHING, NOTHING)
            continue
        heads = [run.outcome[HEAD] for run, _ in pairs]
        table.add(
            name,
            _spread([head for _, head in pairs]),
            full,
            _spread([_best(run) - head for run, head in pairs], sign="+"),
            f"{mean(len(head.val_top1) for head in heads):.0f}",
            f"{mean(head.cpu_seconds for head in heads):.0f}",
        )
    return table


def is_own(contender: str) -> bool:
    """Return whether it is the measured recipe of this program, or a variant of it."""
    return contender == DEFAULT or contender.startswith(f"{DEFAULT}, ")


def _by_contender(results: Iterable[Result]) -> dict[str, dict[int, Result]]:
    found: dict[str, dict[int, Result]] = {}
    for result in results:
        found.setdefault(result.contender, {})[result.seed] = result
    return found


def _best(result: Result) -> float:
    return max(result.last_phase)


def _difference(found: dict[int, Result], other: dict[int, Result]) -> str:
    """Return the mean difference over the seeds that both have."""
    seeds = found.keys() & other.keys()
    if not seeds or found is other:
        return NOTHING
    return _spread([_best(found[seed]) - _best(other[seed]) for seed in sorted(seeds)], sign="+")


def _spread(values: Sequence[float], sign: str = "") -> str:
    """Return mean and standard deviation, in percent."""
    text = f"{100 * mean(values):{sign}.2f}"
    return f"{text} ± {100 * statistics.stdev(values):.2f}" if len(values) > 1 else text
