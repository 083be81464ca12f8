"""Groups of runs are compared on the command line by their mean and spread."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from scipy import stats

from core.common.errors import SetupError
from core.study.run_groups import read_splits
from tests.tui.disk import write_run
from tests.tui.scripted import finished
from tests.tui.studies import member, seeds
from tui.cli.main import cli

BETTER, WORSE = [0.91, 0.93, 0.92, 0.925, 0.935], [0.90, 0.92, 0.913, 0.916, 0.925]


def compare(runs_dir: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["compare", *arguments, "--runs-dir", str(runs_dir)])


def compared(runs_dir: Path, *arguments: str) -> dict[str, Any]:
    result = compare(runs_dir, *arguments, "--json")
    assert result.exit_code == 0, result.output
    tree: dict[str, Any] = json.loads(result.stdout)
    return tree


def result(tree: dict[str, Any], key: str = "best_val_top1") -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in tree["results"] if each["key"] == key)
    return found


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Two studies of five seeds: the first is better by 0.9 points."""
    seeds(tmp_path, "20261124-a", BETTER)
    seeds(tmp_path, "20261124-b", WORSE, model="convnext_femto")
    return tmp_path


def test_studies_are_columns_with_mean_and_std_and_the_difference_in_words(two: Path) -> None:
    done = compare(two, "20261124-a", "20261124-b")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert "A 20261124-a" in lines[0] and "B 20261124-b" in lines[0] and "A − B" in lines[0]
    (row,) = [line for line in lines if line.startswith("best val top-1 ↑")]
    assert "★ 92.40 ± 0.96%" in row and "91.48 ± 0.94%" in row
    assert "0.92 points (0.76 to 1.08), A better" in row
    assert (
        "best val top-1: A is better than B by 0.92 points, interval 0.76 to 1.08, 5 seeds" in lines
    )
    assert "95% intervals by Student's t, paired by seed" in lines
    assert any(line.startswith("model.name") and "convnext_femto" in line for line in lines)
    assert not any(line.startswith("seed") for line in lines)


def test_the_json_output_agrees_with_scipy(two: Path) -> None:
    tree = compared(two, "20261124-a", "20261124-b")
    first = result(tree)
    test = stats.ttest_rel(BETTER, WORSE)
    (difference,) = first["differences"]
    assert first["best"] == difference["a"] == "A" and difference["b"] == "B"
    assert difference["p_value"] == pytest.approx(test.pvalue)
    interval = test.confidence_interval()
    assert (difference["low"], difference["high"]) == pytest.approx((interval.low, interval.high))
    assert difference["paired"] and difference["verdict"] == "different"
    assert first["verdicts"] == [
        "A is better than B by 0.92 points, interval 0.76 to 1.08, 5 seeds"
    ]
    assert [group["mean"] for group in first["groups"]] == pytest.approx([0.924, 0.9148])
    assert tree["group_by"] == "study"
    assert tree["groups"][0]["members"] == [f"seed {n}" for n in range(5)]
    # A difference of the loss has the other direction.
    assert result(tree, "best_val_loss")["best"] == "A"


def test_the_csv_has_a_row_per_result_and_group(two: Path) -> None:
    table = pd.read_csv(io.StringIO(compare(two, "20261124-a", "20261124-b", "--csv", "-").stdout))
    rows = table[table["key"] == "best_val_top1"].set_index("letter")
    assert rows.loc["B", "compared_with"] == "A"
    assert rows.loc["B", "verdict"] == "different"
    assert rows.loc["A", "std"] == pytest.approx(pd.Series(BETTER).std())
    assert rows["n"].tolist() == [5, 5]


def test_curves_and_chart_of_groups_are_exported(two: Path, tmp_path: Path) -> None:
    curves, svg = tmp_path / "curves.csv", tmp_path / "chart.svg"
    done = compare(two, "20261124-a", "20261124-b", "--curves", str(curves), "--svg", str(svg))
    assert (done.exit_code, done.stdout) == (0, "")
    rows = list(csv.DictReader(io.StringIO(curves.read_text())))
    assert len(rows) == 30 and {row["letter"] for row in rows} == {"A", "B"}
    drawn = svg.read_text()
    assert drawn.count("<polygon") == 2
    assert "20261124-a: mean and range of 5 runs" in drawn


def test_any_config_key_groups_runs(two: Path) -> None:
    runs = [f"20261124-{study}-{n}" for study in "ab" for n in range(5)]
    tree = compared(two, *runs, "--group-by", "model.name")
    assert [group["name"] for group in tree["groups"]] == ["convnext_atto", "convnext_femto"]
    assert result(tree)["differences"][0]["paired"]


def test_failed_and_unfinished_members_are_named_and_do_not_count(tmp_path: Path) -> None:
    seeds(tmp_path, "a", BETTER[:3])
    member(tmp_path, "a-3", 0.1, 3, "failed", "a")
    member(tmp_path, "a-4", 0.1, 4, "", "a")
    seeds(tmp_path, "b", WORSE)
    done = compare(tmp_path, "a", "b")
    assert "A: 2 of 5 seeds without a result: seed 3 (failed), seed 4 (interrupted)" in done.stdout
    assert "3 finished, 1 failed, 1 interrupted" in done.stdout
    assert "3 of 5 seeds" in done.stdout
    first = result(compared(tmp_path, "a", "b"))
    assert first["groups"][0]["n"] == 3
    assert first["groups"][0]["mean"] == pytest.approx(0.92)


def test_other_seeds_and_numbers_of_runs_are_compared_by_their_means(tmp_path: Path) -> None:
    seeds(tmp_path, "a", BETTER[:4])
    seeds(tmp_path, "b", WORSE[:3], first=10)
    done = compare(tmp_path, "a", "b")
    assert "no difference between A and B that 4 and 3 seeds can show" in done.stdout
    assert "not paired (Welch)" in done.stdout
    (difference,) = result(compared(tmp_path, "a", "b"))["differences"]
    test = stats.ttest_ind(BETTER[:4], WORSE[:3], equal_var=False)
    assert difference["p_value"] == pytest.approx(test.pvalue)


def test_one_run_each_has_no_interval(tmp_path: Path) -> None:
    for n, name in enumerate("ab"):
        member(tmp_path, name, 0.9 + n / 100, n, model=f"model_{name}")
    done = compare(tmp_path, "a", "b", "--group-by", "model.name")
    assert "best val top-1: one run each: no interval; A − B is -1.00 points" in done.stdout
    assert "★ " not in done.stdout.split("\n", 1)[1]


def test_a_study_is_compared_with_a_run(tmp_path: Path) -> None:
    seeds(tmp_path, "study", BETTER)
    member(tmp_path, "alone", 0.95, 0)
    tree = compared(tmp_path, "study", "alone")
    assert [group["name"] for group in tree["groups"]] == ["study", "alone"]
    (verdict,) = result(tree)["verdicts"]
    assert verdict.startswith("one run of B: no interval; A − B is -2.60 points")


def test_folds_are_corrected_for_shared_training_images(tmp_path: Path) -> None:
    for name, top1 in (("a", (0.9, 0.92, 0.91)), ("b", (0.89, 0.915, 0.893))):
        for fold, value in enumerate(top1):
            member(tmp_path, f"{name}-{fold}", value, 1 if name == "a" else 2, study=name,
                   fold=fold)  # fmt: skip
    tree = compared(tmp_path, "a", "b")
    (difference,) = result(tree)["differences"]
    assert tree["groups"][0]["members"] == ["fold 0", "fold 1", "fold 2"]
    differences = pd.Series([0.01, 0.005, 0.017])
    t = differences.mean() / (differences.std() * (1 / 3 + 1 / 2) ** 0.5)
    assert difference["p_value"] == pytest.approx(2 * stats.t.sf(t, 2))
    assert "Nadeau and Bengio" in compare(tmp_path, "a", "b").stdout


def test_seeds_with_other_splits_are_corrected_too(two: Path, tmp_path: Path) -> None:
    plain = result(compared(two, "20261124-a", "20261124-b"))["differences"][0]
    for path in two.glob("20261124-?-*"):
        (path / "split.csv").write_text(f"split {path.name[-1]}\n")
    assert len(set(read_splits(list(two.glob("20261124-a-*"))).values())) == 5
    varied = result(compared(two, "20261124-a", "20261124-b"))["differences"][0]
    # The scripted runs have 8069 training and 897 validation images.
    ratio = ((1 / 5 + 897 / 8069) / (1 / 5)) ** 0.5
    assert varied["high"] - varied["value"] == pytest.approx(
        ratio * (plain["high"] - plain["value"])
    )


def test_runs_with_the_same_config_count_once(tmp_path: Path) -> None:
    seeds(tmp_path, "a", BETTER)
    member(tmp_path, "z-copy", BETTER[0], 0, study="a")
    seeds(tmp_path, "b", WORSE)
    tree = compared(tmp_path, "a", "b")
    assert result(tree)["groups"][0]["n"] == 5
    assert tree["groups"][0]["repeated"] == ["z-copy"]
    assert (
        "A: left out, as their config equals that of another run: z-copy"
        in compare(tmp_path, "a", "b").stdout
    )


def test_several_groups_are_compared_with_the_best_and_corrected(tmp_path: Path) -> None:
    for name, less in (("a", 0.0), ("b", 0.05), ("c", 0.0005)):
        noise = {"c": (0.001, -0.002, 0.001, 0.002, -0.001)}.get(name, (0,) * 5)
        seeds(tmp_path, name, [v - less + n for v, n in zip(BETTER, noise, strict=True)])
    tree = compared(tmp_path, "a", "b", "c")
    first = result(tree)
    assert first["best"] == "A"
    by_group = {each["b"]: each for each in first["differences"]}
    assert by_group["C"]["verdict"] == "no difference shown"
    assert by_group["C"]["comparisons"] == 3
    stdout = compare(tmp_path, "a", "b", "c").stdout
    assert "no difference between A and C that 5 seeds can show" in stdout
    assert "widened by Holm's correction for 3 comparisons" in stdout


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (
            ["20261124-a", "20261124-a-1"],
            "compare takes 2 to 8 groups of runs, but these runs are 1 group by study",
        ),
        (["20261124-a", "--group-by", "study"], "these runs are 1 group by study"),
        (["20261124-a", "nothing"], "no run 'nothing'"),
        (
            ["20261124-a", "20261124-b", "--group-by", "beauty"],
            "no run has the config key 'beauty'",
        ),
        (["20261124-a", "20261124-b", "--group-by", "device"], "1 group by device"),
        (["20261124-"], "matches 10 runs"),
    ],
)
def test_invalid_groups_are_refused_in_a_sentence(
    two: Path, arguments: list[str], error: str
) -> None:
    done = CliRunner().invoke(cli, ["compare", *arguments, "--runs-dir", str(two)])
    assert isinstance(done.exception, SetupError)
    assert error in str(done.exception) and "\n" not in str(done.exception)


def test_the_runs_of_a_single_study_are_columns(two: Path) -> None:
    assert len(compared(two, "20261124-a")["runs"]) == 5
    seeds(two, "many", [0.9] * 9)
    done = compare(two, "many")
    assert "was given 9 different runs; more are compared in groups" in str(done.exception)


def test_a_study_is_found_by_its_path_and_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    first, second = "20261124-120000-study-x", "20261124-130000-study-y"
    runs = [seeds(tmp_path, study, BETTER[:2]) for study in (first, second)]
    # Runs that are also in a study that was given count once.
    for names in ((str(tmp_path / first), second), ("20261124-12", "20261124-13", runs[0][1])):
        tree = compared(tmp_path, *names)
        assert [group["runs"] for group in tree["groups"]] == runs


def test_groups_without_finished_runs_and_odd_names(tmp_path: Path) -> None:
    seeds(tmp_path, "a", BETTER[:2], outcome="failed")
    write_run(tmp_path, "odd", finished().records)
    seeds(tmp_path, "[red]\x1b[2J", [0.9, 0.9])
    done = compare(tmp_path, "a", "[red]\x1b[2J", "odd")
    assert done.exit_code == 0, done.output
    assert "\x1b" not in done.stdout
    assert "A: 2 of 2 seeds without a result: seed 0 (failed), seed 1 (failed)" in done.stdout
