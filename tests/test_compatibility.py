"""Names that scripts rely on stay; a run of version 0.1.0 opens, resumes and compares."""

import csv
import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import click
import pytest
import torch
from click.testing import CliRunner

from core.config.key_docs import all_keys
from core.events import commands
from core.events import types as ev
from core.run.find import find_run
from core.session.engine_thread import EngineThread
from core.session.resume import plan_resumption
from tests.core.engine_kit import load
from tui.cli.main import cli
from tui.preferences.settings import Settings

DATA = Path(__file__).parent / "data"
FROZEN: dict[str, Any] = json.loads((DATA / "frozen_surface.json").read_text("utf-8"))
OLD = DATA / "run_0_1_0"
RUN = "20261128-041556-before"
WRITTEN_IN = "/tmp/base/fx/photos"


def fields(kind: Any) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


@pytest.mark.parametrize("name", FROZEN["events"])
def test_event_types_keep_their_names_and_fields(name: str) -> None:
    assert fields(getattr(ev, name)) >= set(FROZEN["events"][name])


@pytest.mark.parametrize("name", [name for name in FROZEN["commands"] if name[0] != "_"])
def test_commands_keep_their_names_and_fields(name: str) -> None:
    assert fields(getattr(commands, name)) >= set(FROZEN["commands"][name])


def test_configuration_keys_and_settings_stay() -> None:
    assert set(all_keys()) >= set(FROZEN["config_keys"])
    assert fields(Settings) >= set(FROZEN["settings"])


@pytest.mark.parametrize("name", FROZEN["options"])
def test_command_line_options_stay(name: str) -> None:
    command = cli.commands[name] if name else cli
    options = {
        option
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    frozen = FROZEN["options"][name]
    assert options >= {option for option in frozen if option.startswith("-")}
    arguments = [p for p in command.params if isinstance(p, click.Argument)]
    assert len(arguments) == sum(option.startswith("<") for option in frozen)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A directory of runs with the old run and a copy of it, its images where it finds them."""
    shutil.copytree(OLD, tmp_path, dirs_exist_ok=True)
    run = tmp_path / "runs" / RUN
    for name in ("config.yaml", "events.jsonl"):
        text = (run / name).read_text("utf-8")
        (run / name).write_text(text.replace(WRITTEN_IN, str(tmp_path / "photos")), "utf-8")
    shutil.copytree(run, run.with_name("20261128-041557-other"))
    return run.parent


def call(runs: Path, *arguments: str) -> str:
    result = CliRunner().invoke(cli, ["--runs-dir", str(runs), *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def paths(value: Any, prefix: str = "") -> set[str]:
    """The dotted paths of all keys in a JSON value."""
    if isinstance(value, list):
        return set().union(*(paths(item, f"{prefix}[]") for item in value))
    if not isinstance(value, dict):
        return set()
    below = ((f"{prefix}.{key}" if prefix else key, item) for key, item in value.items())
    return set().union(*({path} | paths(item, path) for path, item in below))


@pytest.mark.parametrize(
    "arguments",
    [
        ("runs", "--json"),
        ("show", RUN, "--json"),
        ("compare", RUN, "20261128-041557-other", "--json"),
        ("check", str(OLD / "photos"), "--json"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_json_output_keeps_its_keys(arguments: tuple[str, ...], runs: Path) -> None:
    printed = json.loads(call(runs, *arguments))
    frozen = set(FROZEN["json"][f"{arguments[0]} --json"])
    # The two runs that were recorded had also trained phase `full`.
    assert paths(printed) >= {path for path in frozen if "full" not in path}


def test_tables_keep_their_columns(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "table.csv", tmp_path / "curves.csv"
    other = "20261128-041557-other"
    call(runs, "compare", RUN, other, "--csv", str(out[0]), "--curves", str(out[1]))
    written = {
        "compare --csv": out[0].read_text("utf-8"),
        "compare --curves": out[1].read_text("utf-8"),
        "show --csv": call(runs, "show", RUN, "--csv"),
    }
    for name, text in written.items():
        header = next(csv.reader(text.splitlines()))
        assert header[: len(FROZEN["csv"][name].split(","))] == FROZEN["csv"][name].split(",")


def test_an_old_run_opens(runs: Path) -> None:
    first = json.loads(call(runs, "runs", "--json"))[0]
    assert (first["name"], first["status"], first["epochs"]) == (
        "before",
        "stopped",
        {"head": 24, "full": 0},
    )
    assert first["best_val_top1"] == pytest.approx(2 / 3)


def test_an_old_run_resumes_and_ends_as_it_did_then(runs: Path) -> None:
    torch.set_num_threads(1)
    folder = find_run(runs, RUN)
    resumption = plan_resumption(folder, ["phases.head.epochs=26"])
    engine = EngineThread(resumption.config, runs, resumption=resumption)
    engine.start()
    result = engine.join()
    assert result is not None
    assert result.outcome == "finished", result.reason
    rows = list(csv.DictReader((folder.path / "history.csv").read_text("utf-8").splitlines()))
    then = list(csv.DictReader((OLD / "resumed.csv").read_text("utf-8").splitlines()))
    assert [(row["phase"], row["epoch"]) for row in rows] == [
        (row["phase"], row["epoch"]) for row in then
    ]
    for key in ("train_loss", "val_loss", "val_top1"):
        # Other builds of torch add in another order.
        assert [float(row[key]) for row in rows] == pytest.approx(
            [float(row[key]) for row in then], rel=1e-3, abs=1e-3
        )
    last = load(folder.checkpoints / "last.pt")
    assert set(last) >= set(FROZEN["checkpoint"]["last.pt"])
    assert set(last["train_state"]) >= set(FROZEN["checkpoint"]["train_state"])
    files = {str(p.relative_to(folder.path)) for p in folder.path.rglob("*") if p.is_file()}
    assert files >= set(FROZEN["files"])
