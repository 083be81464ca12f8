"""Evaluate a run and explain its predictions from within the app."""

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot
from textual.widgets import Static

from core.common.subprocesses import run_module
from core.run.folder import RunFolder
from core.run.saved_evaluations import SavedEvaluation, list_evaluations, save_evaluation
from tests.tui.kit import make_app, press, settle, toasts
from tui.app import Exit
from tui.text.saved_evaluation import saved_evaluation_text
from tui.viewmodel.explain_process import explain

pytestmark = pytest.mark.usefixtures("forked_interpreter")

FIGURES = {"top1": 0.75, "top5": 1.0, "macro_f1": 0.7, "ece": 0.1, "loss": 0.5}


def text(pilot: Pilot[Exit], id: str) -> str:
    return str(pilot.app.screen.query_one(id, Static).render())


async def until(pilot: Pilot[Exit], id: str, words: str) -> None:
    for _ in range(20_000):
        await pilot.pause(0.005)
        if words in text(pilot, id):
            return
    raise AssertionError(text(pilot, id))


async def test_a_run_is_evaluated_in_its_tab(
    trained_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = asyncio.Event()

    async def run_once_seen(*arguments: str) -> tuple[int, bytes, bytes]:
        await seen.wait()
        return await run_module(*arguments)

    monkeypatch.setattr("tui.tabs.evaluations.run_module", run_once_seen)
    app = make_app(runs_dir=trained_copy.parent)
    async with app.run_test(size=(140, 45), notifications=True) as pilot:
        app.open_run(trained_copy)
        await settle(pilot)
        await press(pilot, "6")
        await until(pilot, "#evaluation", "No evaluation yet")
        await press(pilot, "E", "enter")
        await until(pilot, "#evaluation", "Evaluating on the CPU")
        seen.set()
        await until(pilot, "#evaluation", "95% interval")
        assert "(val)" in text(pilot, "#evaluation")
        assert "weakest" in text(pilot, "#evaluation") or "class " in text(pilot, "#evaluation")
        save_evaluation(
            RunFolder(trained_copy), {**FIGURES, "data": {"part": "older"}}, 1_000_000.0
        )
        await press(pilot, "E", *"/nowhere", "enter")
        await app.workers.wait_for_complete()
        await settle(pilot)
        assert "/nowhere" in toasts(pilot)
        await until(pilot, "#evaluation", "1 of 2")
        await press(pilot, "right")
        await until(pilot, "#evaluation", "(older)")
        await press(pilot, "left", "down", "pagedown", "pageup", "up")
        await until(pilot, "#evaluation", "(val)")


async def test_the_heatmap_is_shown_and_hidden(trained_copy: Path) -> None:
    app = make_app(runs_dir=trained_copy.parent)
    async with app.run_test(size=(140, 45)) as pilot:
        app.open_run(trained_copy)
        await settle(pilot)
        # The first training sample: a good run has no misclassified images.
        await press(pilot, "3", "v", "down")
        for _ in range(2000):
            await pilot.pause(0.005)
            if app.screen.query(".image"):
                break
        await settle(pilot)
        image = app.screen.query_one(".image")
        before = image.image  # type: ignore[attr-defined]
        await press(pilot, "w")
        assert "computing the heatmap" in text(pilot, "#images-caption")
        await until(pilot, "#images-caption", "Grad-CAM of the best weights")
        assert image.image is not before  # type: ignore[attr-defined]
        await press(pilot, "w")
        await settle(pilot)
        assert image.image is before  # type: ignore[attr-defined]
        assert "Grad-CAM" not in text(pilot, "#images-caption")


def test_a_failed_explanation_has_a_reason(trained_copy: Path, tmp_path: Path) -> None:
    found = asyncio.run(explain(trained_copy, tmp_path / "nowhere.jpg"))
    assert found.image is None
    assert found.problem.startswith("can't be explained")


def test_saved_evaluations_are_read_newest_first(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for now, part in ((1_700_000_000, "val"), (1_700_009_000, "../../te\x1bst"), (5, "old")):
        save_evaluation(folder, {**FIGURES, "data": {"part": part}}, now)
    (tmp_path / "evaluations" / "9-broken.json").write_text("{")
    (tmp_path / "evaluations" / "8-other.json").write_text(json.dumps({"top1": "high"}))
    names = [kept.path.name.split("-")[-1] for kept in list_evaluations(folder)]
    assert names == ["st.json", "val.json", "old.json"]


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(
    ["data", "intervals", "per_class", "confused_pairs", "tta", "checkpoint"]
), trees))  # fmt: skip
def test_a_manually_edited_evaluation_is_shown(rest: dict[str, object]) -> None:
    kept = SavedEvaluation(Path("x"), 0.0, {**rest, **FIGURES})
    shown = saved_evaluation_text(kept, 1, 2, 1e9).plain
    assert "75.00%" in shown
    assert "\x1b" not in shown
