"""Studies: their members equal runs made by hand, and survive failures, stops and kills."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from sklearn import metrics

from core.common.errors import SetupError
from core.config.load import with_values
from core.config.schema import Config
from core.events.command_file import append_command
from core.events.commands import Stop
from core.run.folder import RunFolder
from core.run.run_list import RunList
from core.session.fit import fit
from core.study import out_of_fold
from core.study.definition import (
    create_study,
    find_run_or_study,
    find_study,
    list_studies,
    load_study,
)
from core.study.members import planned_members, seeds_options
from core.study.out_of_fold import compute_figures, read_figures, write_out_of_fold
from core.study.state import StudyState, read_state
from tests.core.engine_kit import load, same, small_config
from tests.core.study_kit import Doing, Watcher, resume, run_folds, run_seeds

FIGURES = ["phase", "epoch", "train_loss", "train_top1", "val_loss", "val_top1", "val_top5", "lr"]


@pytest.fixture(scope="module")
def config(photos: Path) -> Config:
    return small_config(photos, "phases.head.epochs=1", "phases.full.epochs=1", "name=few")


@pytest.fixture(scope="module")
def folds(config: Config, tmp_path_factory: pytest.TempPathFactory) -> StudyState:
    """A finished study of three folds, for tests that only read it."""
    return run_folds(tmp_path_factory.mktemp("runs"), config, 3).state


def folder_of(state: StudyState, number: int) -> RunFolder:
    run = state.members[number - 1].run
    assert run is not None
    return RunFolder(Path(run.path))


def history(folder: Path) -> Any:
    return pandas.read_csv(folder / "history.csv")[FIGURES]


def assert_equal_runs(one: Path, other: Path) -> None:
    """Compare the figures, the split and the weights, bit for bit."""
    assert history(one).equals(history(other))
    assert (one / "split.csv").read_text() == (other / "split.csv").read_text()
    for name in ("best.pt", "best-head.pt"):
        weights = [load(run / "checkpoints" / name)["model"] for run in (one, other)]
        assert same(*weights)


def test_a_seed_of_a_study_equals_the_run_made_by_hand(config: Config, tmp_path: Path) -> None:
    watcher = Watcher()
    end = run_seeds(tmp_path, config, 2, watcher)
    assert watcher.started == ["seed 1029", "seed 1030"]
    assert [member.status for member in watcher.ended] == ["finished"] * 2
    assert (end.state.status, end.failed, end.problem) == ("finished", [], "")
    splits = [(folder_of(end.state, n).split).read_text() for n in (1, 2)]
    assert splits[0] == splits[1]
    by_hand = fit(config, ["seed=1030", "data.split_seed=1029"], runs_dir=tmp_path / "by hand")
    assert_equal_runs(folder_of(end.state, 2).path, by_hand.folder)


def test_a_fold_of_a_study_equals_the_run_made_by_hand(
    config: Config, folds: StudyState, tmp_path: Path
) -> None:
    by_hand = fit(config, ["data.folds=3", "data.fold=1"], runs_dir=tmp_path)
    assert_equal_runs(folder_of(folds, 2).path, by_hand.folder)


def test_out_of_fold_predictions_have_each_image_once(photos: Path, folds: StudyState) -> None:
    table = pandas.read_csv(folds.study.out_of_fold)
    names = ["class_0", "class_1", "class_2"]
    columns = [f"p_{name}" for name in names]
    assert list(table.columns) == ["path", "label", "fold", "predicted", "confidence", *columns]
    images = {path.relative_to(photos).as_posix() for path in photos.glob("*/*.png")}
    assert sorted(table["path"]) == sorted(images)
    assert table["label"].tolist() == [path.split("/")[0] for path in table["path"]]
    for fold, rows in table.groupby("fold"):
        split = pandas.read_csv(folder_of(folds, int(str(fold)) + 1).split)
        assert set(rows["path"]) == set(split[split["split"] == "val"]["path"])
    probabilities = table[columns].to_numpy()
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert table["predicted"].tolist() == [names[n] for n in probabilities.argmax(axis=1)]
    assert table["confidence"].tolist() == probabilities.max(axis=1).tolist()
    # In a fold they are the predictions that its run was judged by.
    for number, member in enumerate(folds.members):
        rows = table[table["fold"] == number]
        assert (rows["label"] == rows["predicted"]).mean() == pytest.approx(member.best_val_top1)


@pytest.mark.filterwarnings("ignore:The y_prob values do not sum to one")  # as float64
def test_figures_over_all_folds_agree_with_scikit_learn(folds: StudyState) -> None:
    table = pandas.read_csv(folds.study.out_of_fold)
    columns = [name for name in table.columns if name.startswith("p_")]
    labels, predicted = table["label"], table["predicted"]
    expected = {
        "images": len(table),
        "unreadable": 0,
        "top1": metrics.accuracy_score(labels, predicted),
        "top5": 1.0,
        "macro_f1": metrics.f1_score(labels, predicted, average="macro"),
        "loss": metrics.log_loss(labels, table[columns].to_numpy()),
    }
    figures = read_figures(folds.study)
    assert figures is not None
    assert {name: figures[name] for name in expected} == pytest.approx(expected, rel=1e-6)
    for name in ("top1", "macro_f1", "loss"):
        low, high = figures["intervals"][name]
        assert low <= expected[name] <= high


@pytest.mark.filterwarnings("ignore:The y_prob values do not sum to one")  # as float64
@pytest.mark.parametrize("seed", range(3))
def test_figures_of_many_classes_agree_with_scikit_learn(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    names = [f"class {n}" for n in range(9)]
    probabilities = random.dirichlet(np.full(9, 0.3), size=300).astype(np.float32)
    labels = random.integers(0, 9, 300)
    table = pandas.DataFrame(probabilities, columns=[f"p_{name}" for name in names])
    table.insert(0, "path", [f"{n}.jpg" for n in range(300)])
    table.insert(1, "label", [names[n] for n in labels])
    table.insert(2, "fold", 0)
    table.insert(3, "predicted", [names[n] for n in probabilities.argmax(axis=1)])
    table.insert(4, "confidence", probabilities.max(axis=1))
    table.to_csv(tmp_path / "out_of_fold.csv", index=False)
    figures = compute_figures(tmp_path / "out_of_fold.csv")
    shown = pandas.read_csv(tmp_path / "out_of_fold.csv")
    scores = shown[[f"p_{name}" for name in names]].to_numpy()
    assert figures["top1"] == metrics.accuracy_score(shown["label"], shown["predicted"])
    assert figures["top5"] == metrics.top_k_accuracy_score(labels, scores, k=5)
    f1 = metrics.f1_score(shown["label"], shown["predicted"], average="macro")
    assert figures["macro_f1"] == pytest.approx(f1)
    assert figures["loss"] == pytest.approx(metrics.log_loss(labels, scores), rel=1e-5)
    low, high = figures["intervals"]["top1"]
    spread = 1.96 * np.sqrt(figures["top1"] * (1 - figures["top1"]) / 300)
    assert (high - low) / 2 == pytest.approx(spread, rel=0.15)


def test_another_split_for_each_seed_on_request(config: Config, tmp_path: Path) -> None:
    end = run_seeds(tmp_path, config, 2, vary=True)
    splits = [(folder_of(end.state, number).split).read_text() for number in (1, 2)]
    assert splits[0] != splits[1]


def test_a_failed_member_does_not_stop_the_others(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.study import worker

    train = worker.EngineThread

    def make(config: Config, *arguments: Any, **options: Any) -> Any:
        changes = {1030: {"phases.head.lr": 1e30, "nonfinite": "stop", "clip_grad_norm": None}}
        if config.seed == 1031:
            changes = {1031: {"model.name": "convnext_none"}}
        return train(with_values(config, changes.get(config.seed, {})), *arguments, **options)

    monkeypatch.setattr(worker, "EngineThread", make)
    watcher = Watcher()
    end = run_seeds(tmp_path, config, 4, watcher)
    assert [m.status for m in watcher.ended] == ["finished", "failed", "failed", "finished"]
    assert [m.member.label for m in end.failed] == ["seed 1030", "seed 1031"]
    assert "not finite" in watcher.ended[1].reason
    assert "is not a timm model" in watcher.ended[2].reason
    state = read_state(end.state.study)
    assert [m.status for m in state.members] == [m.status for m in watcher.ended]
    assert "is not a timm model" in state.members[2].reason
    # What failed is repeated on resume, what is finished is not.
    monkeypatch.setattr(worker, "EngineThread", train)
    again = Watcher()
    resume(end.state.study, again)
    assert again.started[-1] == "seed 1031"
    assert "seed 1029" not in again.started


def test_a_study_whose_first_member_cannot_start_leaves_nothing(
    config: Config, tmp_path: Path
) -> None:
    with pytest.raises(SetupError, match="20 folds needs at least 20"):
        run_folds(tmp_path / "new" / "runs", config, 20)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_stopped_or_killed_study_continues_and_repeats_nothing(
    is_killed: bool, config: Config, tmp_path: Path
) -> None:
    def stop(watcher: Doing) -> None:
        assert watcher.worker is not None
        watcher.worker.stop("asked to stop")

    watcher = Doing("seed 1030", stop)
    end = run_seeds(tmp_path, config, 3, watcher)
    assert [m.status for m in end.state.members] == ["finished", "stopped", "waiting"]
    assert end.state.status == "stopped"
    if is_killed:
        journal = folder_of(end.state, 2).journal
        journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:-1]))
        assert read_state(end.state.study).members[1].status == "interrupted"
    again = Watcher()
    end = resume(end.state.study, again)
    assert again.started == ["resumed seed 1030", "seed 1031"]
    assert end.state.status == "finished"
    assert len(RunList(tmp_path).refresh()) == 3
    by_hand = fit(config, ["seed=1030", "data.split_seed=1029"], runs_dir=tmp_path / "by hand")
    assert_equal_runs(folder_of(end.state, 2).path, by_hand.folder)
    nothing = Watcher()
    assert resume(end.state.study, nothing).state.status == "finished"
    assert nothing.started == []


def test_a_stop_from_another_process_ends_the_study_after_the_member(
    config: Config, tmp_path: Path
) -> None:
    def send(watcher: Doing) -> None:
        assert watcher.worker is not None
        study = watcher.worker.study
        append_command(study.commands, Stop())
        run = next(path for path in tmp_path.glob("*seed-1029"))
        append_command(run / "commands.jsonl", Stop())

    end = run_seeds(
        tmp_path, with_values(config, {"phases.head.epochs": 500}), 2, Doing("1029", send)
    )
    assert [m.status for m in end.state.members] == ["stopped", "waiting"]


def test_folds_that_are_complete_get_their_predictions_on_resume(folds: StudyState) -> None:
    before = folds.study.out_of_fold.read_bytes()
    folds.study.out_of_fold.unlink()
    end = resume(folds.study)
    assert end.problem == ""
    assert folds.study.out_of_fold.read_bytes() == before


def test_a_study_is_run_by_one_worker(config: Config, tmp_path: Path) -> None:
    found: list[str] = []

    def start_another(watcher: Doing) -> None:
        assert watcher.worker is not None
        with pytest.raises(SetupError, match="is being run by process") as caught:
            resume(watcher.worker.study)
        found.append(str(caught.value))

    run_seeds(tmp_path, config, 2, Doing("seed 1029", start_another))
    assert len(found) == 1


def test_a_study_is_found_like_a_run_and_is_none(config: Config, tmp_path: Path) -> None:
    study = create_study(tmp_path, "seeds", config, seeds_options(config, 3, False), now=0.0)
    assert load_study(study.path) == study
    assert list_studies(tmp_path) == [study]
    assert find_run_or_study(tmp_path, study.id) == study
    assert find_run_or_study(tmp_path, study.id[:12]) == study
    assert find_run_or_study(tmp_path, str(study.path)) == study
    assert RunList(tmp_path).refresh() == []
    assert [m.status for m in read_state(study).members] == ["waiting"] * 3
    with pytest.raises(SetupError, match="no run 'x' in"):
        find_run_or_study(tmp_path, "x")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"kind: [", "not valid YAML"),
        (b"\xff", "can't be read: it is not UTF-8 text"),
        (b"- 1", "expected the keys name, kind"),
        (b"name: a", "the key kind is missing or invalid"),
        (b"{name: a, kind: x, created: 1, options: {}, config: {}}", "kind is 'x', not seeds or"),
    ],
)
def test_an_invalid_definition_is_refused_in_one_sentence(
    content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / "study.yaml").write_bytes(content)
    with pytest.raises(SetupError, match=message) as caught:
        load_study(tmp_path)
    assert len(str(caught.value).splitlines()) == 1


def test_the_number_of_members_is_checked(config: Config, tmp_path: Path) -> None:
    study = create_study(tmp_path, "folds", config, {"count": "three"})
    with pytest.raises(SetupError, match=r"options\.count is missing or invalid"):
        planned_members(study)


def test_damaged_records_of_failures_are_skipped(config: Config, tmp_path: Path) -> None:
    study = create_study(tmp_path, "seeds", config, seeds_options(config, 2, False))
    good = json.dumps({"member": 2, "reason": "no disk", "time": 0})
    study.failures.write_text(f"{{\n[]\n{good}\n{good[:20]}")
    assert [m.status for m in read_state(study).members] == ["waiting", "failed"]


def test_only_a_study_is_found_as_one(folds: StudyState) -> None:
    study = folds.study
    assert find_study(study.runs_dir, study.id) == study
    with pytest.raises(SetupError, match="few-fold-0 is a run, not a study"):
        find_study(study.runs_dir, folder_of(folds, 1).id)


def test_a_damaged_sweep_is_named(config: Config, tmp_path: Path) -> None:
    study = create_study(tmp_path, "sweep", config, {"count": 3})
    with pytest.raises(SetupError, match=r"study\.yaml: options\.keys is missing or invalid"):
        planned_members(study)


def test_a_folder_that_cannot_be_written_is_named(config: Config, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match=r"file/runs: Not a directory; choose another --runs-dir"):
        run_seeds(tmp_path / "file" / "runs", config, 2)
    study = create_study(tmp_path, "seeds", config, seeds_options(config, 2, False))
    study.lock.mkdir()
    with pytest.raises(SetupError, match="can't be written: Is a directory"):
        resume(study)


HEADER = "path,label,fold,predicted,confidence,p_a,p_b\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEADER, "has no predictions"),
        (HEADER + "x.jpg,a,0,,,,\n", "has no predictions"),
        (HEADER + "x.jpg,c,0,a,1,1,0\n", "can't be read"),
        ("", "can't be read"),
    ],
)
def test_predictions_that_are_no_use_are_refused(
    content: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "out_of_fold.csv").write_text(content)
    with pytest.raises(SetupError, match=message):
        compute_figures(tmp_path / "out_of_fold.csv")


def test_an_image_that_cannot_be_read_has_no_prediction(tmp_path: Path) -> None:
    rows = HEADER + "x.jpg,a,0,,,,\ny.jpg,b,0,b,0.75,0.25,0.75\n"
    (tmp_path / "out_of_fold.csv").write_text(rows)
    figures = compute_figures(tmp_path / "out_of_fold.csv")
    assert (figures["images"], figures["unreadable"], figures["top1"]) == (1, 1, 1.0)


def test_folds_of_changed_data_get_no_predictions(
    folds: StudyState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = replace(folds.study, path=tmp_path)
    twice = replace(folds, study=study, members=(folds.members[0], folds.members[0]))
    with pytest.raises(SetupError, match="is validated in two folds"):
        write_out_of_fold(twice)
    classes = iter([("a", "b"), ("a", "c")])
    row = ["x.jpg", "a", 0, "a", 1.0, 1.0, 0.0]
    monkeypatch.setattr(out_of_fold, "_rows_of", lambda member: iter([(row, next(classes))]))
    with pytest.raises(SetupError, match="the folds have different classes"):
        write_out_of_fold(twice)
    assert list(tmp_path.iterdir()) == []
