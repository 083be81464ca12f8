"""The study screen: members, curves, what a sweep or folds say together, and commands."""

import csv
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable, Static

from core.common.errors import SetupError
from core.run.lock import RunLock
from core.study.definition import FOLDS
from core.study.members import planned_members
from tests.tui.kit import make_app, press, text, toasts
from tests.tui.studies import planned, seeds, sweep, write_member
from tui.app import ConvNextApp, Exit
from tui.screens.run import RunScreen
from tui.screens.run_list import RunListScreen
from tui.screens.study import StudyScreen
from tui.widgets.chart import Chart

SIZES = [(80, 24), (140, 45), (200, 50)]
LARGE = (140, 45)
CLASSES = ("cats", "dogs", "zebras")


async def opened(pilot: Pilot[Exit], path: Path) -> StudyScreen:
    """Open a study and let it be read."""
    assert isinstance(pilot.app, ConvNextApp)
    pilot.app.open_study(path)
    await pilot.pause()
    await settled(pilot)
    screen = pilot.app.screen
    assert isinstance(screen, StudyScreen)
    return screen


async def settled(pilot: Pilot[Exit]) -> None:
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()
    await pilot.pause()


def members(pilot: Pilot[Exit]) -> list[list[str]]:
    table = pilot.app.screen.query_one(DataTable)
    return [[str(cell) for cell in table.get_row_at(n)] for n in range(table.row_count)]


def titles(pilot: Pilot[Exit]) -> list[str]:
    table = pilot.app.screen.query_one(DataTable)
    return [str(column.label) for column in table.ordered_columns]


def chart(pilot: Pilot[Exit]) -> Chart:
    return pilot.app.screen.query_one("#chart", Chart)


def drawn(pilot: Pilot[Exit]) -> str:
    return str(chart(pilot).render())


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_members_results_and_curves_of_seeds(tmp_path: Path, size: tuple[int, int]) -> None:
    study = planned(tmp_path, top1=(0.91, 0.93, 0.92, 0.5, None), outcomes={4: "failed"})
    async with make_app(runs_dir=tmp_path).run_test(size=size) as pilot:
        await opened(pilot, study.path)
        head = text(pilot, "#headline")
        assert head == "✗ flowers · 5 seeds · 3 finished, 1 failed, 1 waiting"
        result = text(pilot, "#result")
        assert result.startswith("best val top-1 91.85 ± 0.96%, 95% interval of the mean ")
        assert "3 finished runs · best seed 101 92.78%" in result
        assert "seed 103: no space left on the disk" in text(pilot, "#progress")
        rows = members(pilot)
        assert rows[1][:3] == ["✓ seed 101 ★", "92.78%", "finished"]
        assert rows[3][0] == "✗ seed 103" and rows[4][:2] == ["· seed 104", "–"]
        assert "mean and range of 4 runs" in str(chart(pilot).border_title)
        assert "⠒" in drawn(pilot) or "⠤" in drawn(pilot)
        await press(pilot, "b")
        assert str(chart(pilot).border_title).endswith("· 4 runs")
        await press(pilot, "m")
        assert "loss" in str(chart(pilot).border_title).lower()
        await press(pilot, "a", "l", "shift+right")
        assert "steps" in str(chart(pilot).border_title)
        assert text(pilot, "#readout").startswith("steps ")
        await press(pilot, "j", "j", "j")
        assert "seed 103 · failed" in text(pilot, "#detail")
        assert "no space left on the disk" in text(pilot, "#detail")


async def test_a_member_is_opened_by_key_and_click_and_sorted(tmp_path: Path) -> None:
    study = planned(tmp_path, top1=(0.91, 0.93, None))
    async with make_app(runs_dir=tmp_path).run_test(size=LARGE, notifications=True) as pilot:
        await opened(pilot, study.path)
        await press(pilot, "s")
        assert titles(pilot)[1] == "Best top-1 ▼"
        assert [row[0] for row in members(pilot)] == ["✓ seed 101 ★", "✓ seed 100", "· seed 102"]
        await press(pilot, "S")
        assert [row[0] for row in members(pilot)] == ["✓ seed 100", "✓ seed 101 ★", "· seed 102"]
        table = pilot.app.screen.query_one(DataTable)
        await pilot.click(DataTable, offset=(3, 0))
        await pilot.pause()
        assert titles(pilot)[0] == "Member ▲"
        assert table.cursor_row == 0
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, RunScreen)
        await press(pilot, "escape")
        await pilot.click(DataTable, offset=(3, 2))
        await press(pilot)
        assert isinstance(pilot.app.screen, RunScreen)
        assert "seed 101" in text(pilot, "#headline")
        await press(pilot, "escape", "j", "enter")
        assert "seed 102 has no run yet" in toasts(pilot)
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, RunListScreen)


async def test_a_sweep_shows_scatter_best_so_far_and_importance(tmp_path: Path) -> None:
    study = sweep(tmp_path, trials=12, run=10)
    async with make_app(runs_dir=tmp_path).run_test(size=LARGE) as pilot:
        await opened(pilot, study.path)
        assert "sweep, 12 trials · 9 finished, 1 pruned, 2 waiting" in text(pilot, "#headline")
        result = text(pilot, "#result")
        assert "best val top-1 " in result and "10 of 12 trials done" in result
        assert titles(pilot)[3:6] == ["lr", "weight_decay", "model.name"]
        assert str(chart(pilot).border_title).endswith("· 10 runs")  # no mean of unlike runs
        await press(pilot, "2")
        assert str(chart(pilot).border_title) == "Best val top-1 by phases.head.lr"
        assert "phases.head.lr (log)" in drawn(pilot) and "★" in drawn(pilot)
        assert "key 1 of 3" in str(chart(pilot).border_subtitle)
        assert str(chart(pilot).border_subtitle).endswith("★ best  ⊘ pruned")
        assert drawn(pilot).count("⊘") == 1
        await press(pilot, "l", "l")
        assert "(log)" not in drawn(pilot)
        await press(pilot, "a", "a")
        assert "model.name: 1 convnext_atto · 2 convnext_femto" in drawn(pilot)
        await press(pilot, "3")
        assert "over trials" in str(chart(pilot).border_title) and "best" in drawn(pilot)
        await pilot.click("#tab-importance")
        await settled(pilot)
        await settled(pilot)
        bars = str(pilot.app.screen.query_one("#importance", Static).render())
        assert bars.splitlines()[0].startswith("phases.head.lr ") and "━" in bars
        await press(pilot, "1")
        assert chart(pilot).display


async def test_a_small_screen_has_room_for_the_scatter_chart(tmp_path: Path) -> None:
    study = sweep(tmp_path, trials=40, run=40)
    async with make_app(runs_dir=tmp_path).run_test(size=(80, 24)) as pilot:
        await opened(pilot, study.path)
        await press(pilot, "2")
        assert "┤" in drawn(pilot) and "phases.head.lr (log)" in drawn(pilot)


async def test_another_objective_has_a_column_and_its_own_best_trial(tmp_path: Path) -> None:
    study = sweep(tmp_path, trials=6, objective="val_loss")
    async with make_app(runs_dir=tmp_path).run_test(size=LARGE) as pilot:
        await opened(pilot, study.path)
        assert "lowest val loss" in text(pilot, "#result")
        assert titles(pilot)[1] == "Lowest val loss"
        await press(pilot, "2")
        assert str(chart(pilot).border_title).startswith("Lowest val loss by ")


async def test_folds_show_the_sum_of_their_confusion_matrices(tmp_path: Path) -> None:
    study = planned(tmp_path, FOLDS, (0.9, 0.92, None), classes=CLASSES)
    async with make_app(runs_dir=tmp_path).run_test(size=LARGE) as pilot:
        await opened(pilot, study.path)
        await press(pilot, "2")
        box = pilot.app.screen.query_one("#matrix").parent
        assert box is not None and "sum of 2 folds" in str(box.border_title)
        before = text(pilot, "#cell")
        # Each fold has 22 to 24 images on the diagonal.
        await press(pilot, "shift+left", "shift+left", "shift+up", "shift+up")
        cell = text(pilot, "#cell")
        assert cell != before or "correct" in before
        await press(pilot, "m")
        assert "m by confusion" in str(box.border_subtitle)
        await press(pilot, "shift+down", "shift+right")
        with study.out_of_fold.open("w", newline="") as file:
            writer = csv.writer(file)
            names = [f"p_{name}" for name in CLASSES]
            writer.writerow(["path", "label", "fold", "predicted", "confidence", *names])
            for number in range(30):
                label = CLASSES[number % 3]
                predicted = "dogs" if number < 3 else label
                writer.writerow([f"{number}.jpg", label, 0, predicted, 0.9, 0.9, 0.05, 0.05])
        study.out_of_fold.with_suffix(".json").write_text(
            '{"images": 30, "top1": 0.93, "loss": 0.2, "intervals": {"top1": [0.9, 0.96]}}'
        )
        write_member(study, planned_members(study)[2], 0.91, "finished", 1_790_000_900.0, CLASSES)
        screen = pilot.app.screen
        assert isinstance(screen, StudyScreen)
        screen.read()
        await settled(pilot)
        assert "out of fold, all images" in str(box.border_title)
        assert "top-1 93.00% (90.00% to 96.00%)" in text(pilot, "#progress")
        assert "cats predicted as dogs 10% (1 of 10)" in text(pilot, "#pairs")


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_a_hundred_members_and_twenty_keys_are_usable(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    keys: dict[str, object] = {
        f"phases.{phase}.{key}": value
        for phase in ("head", "full")
        for key, value in {
            "lr": "1e-5..1e-2:log",
            "epochs": "5..30",
            "weight_decay": "0.0..0.3",
            "label_smoothing": "0.0..0.2",
            "warmup_epochs": "0.0..2.0",
            "scheduler.factor": "0.1..0.9",
        }.items()
    }
    keys |= {f"data.augment.{key}": "0.0..1.0" for key in ("hflip", "vflip", "erase")}
    keys |= {"data.batch_size": "[16, 32]", "clip_grad_norm": "0.5..5.0", "seed": "1..999"}
    keys |= {"data.augment.min_scale": "0.1..0.9", "data.balance": "[none, loss]"}
    study = sweep(tmp_path, trials=100, keys=keys, run=3)
    async with make_app(runs_dir=tmp_path).run_test(size=size) as pilot:
        await opened(pilot, study.path)
        assert len(titles(pilot)) == 26 and "head.lr" in titles(pilot)
        assert text(pilot, "#result").endswith(", 16 more keys")
        assert text(pilot, "#detail").endswith(" · 16 more keys")
        await press(pilot, "4")
        await settled(pilot)
        await settled(pilot)
        box = pilot.app.screen.query_one("#importance", Static)
        bars = str(box.render()).splitlines()
        assert len(bars) <= box.content_size.height
        shown = len(bars) - bars[-1].endswith("more keys")
        assert shown == 20 or bars[-1] == f"and {20 - shown} more keys"
        table = pilot.app.screen.query_one(DataTable)
        await press(pilot, "right", "right")
        assert table.scroll_offset.x > 0
        await press(pilot, *["right"] * 30)
        assert table.scroll_offset.x == table.max_scroll_x
        await press(pilot, *["left"] * 40)
        assert table.scroll_offset.x == 0
        await press(pilot, "end")
        assert table.cursor_row == 99
        assert "trial 100 · waiting" in text(pilot, "#detail")
        await press(pilot, "g", "g")
        assert not chart(pilot).is_on_screen and table.size.height > 10


async def test_a_study_without_runs_and_damaged_ones_say_why(tmp_path: Path) -> None:
    empty = planned(tmp_path, name="a", top1=(None, None))
    failed = planned(tmp_path, name="b", top1=(0.1, 0.1), outcomes={1: "failed", 2: "failed"})
    damaged = planned(tmp_path, name="c", top1=(0.5, 0.7))
    damaged.definition.write_text("kind: [")
    bare = sweep(tmp_path, trials=5, run=0, name="d")
    seeds(tmp_path, "20260101-e", [0.7, 0.71])
    async with make_app(runs_dir=tmp_path).run_test(size=(80, 24)) as pilot:
        await opened(pilot, empty.path)
        assert "no finished runs yet" in text(pilot, "#result")
        assert "the first points follow the first epoch" in drawn(pilot)
        await press(pilot, "b", "m", "a", "e", "escape")
        await opened(pilot, failed.path)
        assert "no finished runs yet" in text(pilot, "#result")
        await press(pilot, "escape")
        await opened(pilot, damaged.path)
        assert "not valid YAML" in text(pilot, "#progress")
        assert [row[0] for row in members(pilot)] == ["✓ c seed 100", "✓ c seed 101 ★"]
        await press(pilot, "escape")
        await opened(pilot, bare.path)
        for key in "1234":
            await press(pilot, key)
            await settled(pilot)
        await press(pilot, "escape")
        await opened(pilot, tmp_path / "20260101-e")
        assert "its folder with study.yaml is missing" in text(pilot, "#progress")
        assert len(members(pilot)) == 2


@dataclass
class Control:
    """Keeps what the app asks of the processes of a study."""

    calls: list[tuple[str, str]] = field(default_factory=list)
    error: Exception | None = None
    reply: tuple[bool, str] = (True, "done")

    def send(self, path: Path, action: str) -> tuple[bool, str]:
        self.calls.append((path.name, action))
        if self.error:
            raise self.error
        return self.reply

    def resume(self, path: Path) -> tuple[bool, str]:
        return self.send(path, "start")


async def replied(pilot: Pilot[Exit], control: Control, number: int) -> None:
    for _ in range(200):
        if len(control.calls) >= number:
            break
        await pilot.pause(0.01)
    await settled(pilot)


async def test_commands_go_to_a_study_in_progress(tmp_path: Path) -> None:
    study = planned(tmp_path, top1=(0.9, None))
    app = make_app(runs_dir=tmp_path)
    app.study_control = control = Control()
    lock = RunLock(study)
    try:
        async with app.run_test(size=LARGE, notifications=True) as pilot:
            screen = await opened(pilot, study.path)
            assert text(pilot, "#headline").startswith("● flowers")
            assert "between two runs" in text(pilot, "#progress")
            assert screen.check_action("resume", ()) is False
            await press(pilot, "space")
            await replied(pilot, control, 1)
            await press(pilot, "x")
            assert control.calls == [(study.id, "pause")]
            control.reply = (False, "run a: no reply yet\nrun b: paused")
            await press(pilot, "enter")
            await replied(pilot, control, 2)
            assert control.calls[-1] == (study.id, "stop")
            assert "run b: paused" in toasts(pilot)
    finally:
        lock.release()


async def test_an_unfinished_study_is_resumed_in_the_background(tmp_path: Path) -> None:
    study = planned(tmp_path, top1=(0.9, None))
    finished = planned(tmp_path, top1=(0.9,), name="over")
    app = make_app(runs_dir=tmp_path)
    app.study_control = control = Control(error=SetupError("it can't be resumed"))
    async with app.run_test(size=LARGE, notifications=True) as pilot:
        screen = await opened(pilot, study.path)
        assert screen.check_action("pause", ()) is False
        await press(pilot, "r")
        await replied(pilot, control, 1)
        assert control.calls == [(study.id, "start")]
        assert "it can't be resumed" in toasts(pilot)
        await press(pilot, "escape")
        over = await opened(pilot, finished.path)
        assert over.check_action("resume", ()) is False
        await press(pilot, "r", "escape")
        # In the list as well.
        await settled(pilot)
        control.error = None
        table = pilot.app.screen.query_one(DataTable)
        names = [str(table.get_row_at(n)[2]) for n in range(2)]
        await press(pilot, *["j"] * names.index("▸ flowers · 2 seeds"), "r")
        await replied(pilot, control, 2)
        assert control.calls[1:] == [(study.id, "start")]


async def test_a_read_only_app_sends_no_commands(tmp_path: Path) -> None:
    study = planned(tmp_path, top1=(0.9, None))
    app = make_app(runs_dir=tmp_path, read_only_reason="this app is read-only")
    async with app.run_test(size=LARGE, notifications=True) as pilot:
        screen = await opened(pilot, study.path)
        assert screen.hides_key("resume")
        await press(pilot, "r", "e")
        assert "read-only" in toasts(pilot)


@pytest.mark.parametrize(
    ("key", "end", "content"),
    [("t", "table.csv", "seed 100"), ("c", "curves.csv", "global_step"), ("s", ".svg", "<polygon")],
)
async def test_a_study_is_exported(tmp_path: Path, key: str, end: str, content: str) -> None:
    study = planned(tmp_path)
    async with make_app(runs_dir=tmp_path).run_test(size=LARGE) as pilot:
        await opened(pilot, study.path)
        await press(pilot, "e", key)
        await settled(pilot)
        (file,) = tmp_path.glob(f"study-flowers-*{end}")
        assert content in file.read_text()


async def test_new_results_appear_while_it_is_open(tmp_path: Path) -> None:
    study = planned(tmp_path, top1=(0.9, None))
    async with make_app(runs_dir=tmp_path).run_test(size=LARGE) as pilot:
        screen = await opened(pilot, study.path)
        write_member(study, planned_members(study)[1], 0.8, "finished", 1_790_000_500.0)
        screen.read()
        await settled(pilot)
        assert text(pilot, "#headline") == "✓ flowers · 2 seeds · 2 finished"
        assert [row[2] for row in members(pilot)] == ["finished", "finished"]
