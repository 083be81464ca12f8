import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from core.config.load import load_config
from core.demo import backbone_path, demo_data_dir, make_demo_data
from core.demo.classes import DEMO_SET, DrawnDataset
from core.demo.drawing import Plane, keyed_rng
from core.demo.render import IMAGE_SIZE, INK_ON_PAPER
from core.demo.storage import ABANDONED_AFTER
from tests.tools.demo_backbone.classes import PRETRAINING_SET
from tests.tools.demo_backbone.pretraining import draw, export, main
from tests.tui.command import environment


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images per class with seed 5."""
    root = tmp_path_factory.mktemp("demo") / "seed5"
    make_demo_data(root, 5, per_class=2)
    return root


def test_demo_has_twenty_classes_of_small_images(drawn: Path) -> None:
    assert len(DEMO_SET.patterns) == 20
    assert sorted(p.name for p in drawn.iterdir()) == sorted(DEMO_SET.patterns)
    files = sorted(drawn.rglob("*.png"))
    assert len(files) == 40
    with Image.open(files[0]) as image:
        assert (image.size, image.mode) == ((IMAGE_SIZE, IMAGE_SIZE), "RGB")


def test_images_are_identical_for_a_seed(drawn: Path, tmp_path: Path) -> None:
    make_demo_data(tmp_path / "again", 5, per_class=2)
    make_demo_data(tmp_path / "other", 6, per_class=2)
    same, other = contents(tmp_path / "again"), contents(tmp_path / "other")
    assert same == contents(drawn)
    assert same.keys() == other.keys()
    assert not set(same.values()) & set(other.values())
    assert len(set(same.values())) == 40


@pytest.mark.parametrize("dataset", [DEMO_SET, PRETRAINING_SET], ids=["demo", "pretraining"])
def test_image_does_not_depend_on_the_drawing_order(dataset: DrawnDataset) -> None:
    forward = {name: dataset.draw(3, name, 8) for name in dataset.patterns}
    backward = {name: dataset.draw(3, name, 8) for name in reversed([*dataset.patterns])}
    for name, image in forward.items():
        assert image.shape == (IMAGE_SIZE, IMAGE_SIZE, 3)
        assert image.dtype == np.uint8
        assert (image == backward[name]).all()


@pytest.mark.parametrize("dataset", [DEMO_SET, PRETRAINING_SET], ids=["demo", "pretraining"])
def test_every_mask_has_ink(dataset: DrawnDataset) -> None:
    for name, pattern in dataset.patterns.items():
        for index in range(6):
            mask = pattern(keyed_rng(3, name, index), Plane.of_size(IMAGE_SIZE))
            assert mask.min() >= 0 and mask.max() <= 1 and mask.std() > 0.05, name


def test_pretraining_and_demo_have_no_class_in_common() -> None:
    assert not DEMO_SET.patterns.keys() & PRETRAINING_SET.patterns.keys()
    assert not set(DEMO_SET.patterns.values()) & set(PRETRAINING_SET.patterns.values())
    assert 40 <= len(PRETRAINING_SET.patterns) <= 80


def test_progress_reaches_the_total_and_a_second_call_draws_nothing(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    for _ in range(2):
        make_demo_data(tmp_path / "a", 1, lambda done, total: seen.append((done, total)), 1)
    assert seen == [(i, 20) for i in range(1, 21)]


def test_interrupted_drawing_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_demo_data(tmp_path / "a", 1, stop, per_class=1)
    assert not list(tmp_path.iterdir())
    make_demo_data(tmp_path / "a", 1, per_class=1)
    assert len(contents(tmp_path / "a")) == 20


def test_killed_process_leaves_no_incomplete_folder(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from core.demo import make_demo_data\n"
        "kill = lambda done, total: done == 7 and os.kill(os.getpid(), signal.SIGKILL)\n"
        "make_demo_data(Path(sys.argv[1]), 1, kill, 1)\n"
    )
    root = tmp_path / "a"
    done = subprocess.run([sys.executable, "-c", code, str(root)], env=environment(), timeout=60)
    assert done.returncode < 0
    (left,) = tmp_path.iterdir()
    assert left != root
    make_demo_data(root, 1, per_class=1)
    assert len(contents(root)) == 20
    assert left.exists(), "another process may still be drawing there"


def test_abandoned_folders_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = tmp_path / ".a-12345"
    left.mkdir()
    now = left.stat().st_mtime
    monkeypatch.setattr("time.time", lambda: now + ABANDONED_AFTER + 1)
    make_demo_data(tmp_path / "a", 1, per_class=1)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_folder_with_missing_images_is_drawn_again(drawn: Path, tmp_path: Path) -> None:
    root = tmp_path / "a"
    make_demo_data(root, 5, per_class=2)
    (root / "star" / "0001.png").unlink()
    make_demo_data(root, 5, per_class=2)
    assert contents(root) == contents(drawn)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_two_processes_at_once(tmp_path: Path, drawn: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from core.demo import make_demo_data\n"
        "sys.stdin.readline()\n"
        "make_demo_data(Path(sys.argv[1]), 5, per_class=2)\n"
    )
    root = tmp_path / "a"
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(root)], env=environment(), stdin=subprocess.PIPE
        )
        for _ in range(2)
    ]
    for process in both:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    for process in both:
        process.communicate(timeout=60)
    assert [process.returncode for process in both] == [0, 0]
    assert contents(root) == contents(drawn)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_slower_of_two_processes_keeps_the_images_of_the_faster(tmp_path: Path) -> None:
    root = tmp_path / "a"

    def overtake(done: int, total: int) -> None:
        if done == total:
            make_demo_data(root, 1, per_class=1)
            (root / "star" / "mark").touch()

    make_demo_data(root, 1, overtake, per_class=1)
    assert (root / "star" / "mark").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_unwritable_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"can't be drawn .* CONVNEXT_TUI_CACHE"):
        make_demo_data(tmp_path / "file" / "a", 1, per_class=1)


def test_other_files_are_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(OSError, match="other files"):
        make_demo_data(tmp_path, 1, per_class=1)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_images_are_in_the_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVNEXT_TUI_CACHE", str(tmp_path))
    assert demo_data_dir(3).parent == tmp_path
    assert demo_data_dir(3) != demo_data_dir(4)
    monkeypatch.delenv("CONVNEXT_TUI_CACHE")
    assert "convnext-tui" in demo_data_dir(3).parts


def test_demo_imports_neither_torch_nor_numpy() -> None:
    code = (
        "import sys, core.demo\n"
        "assert not {'torch', 'timm', 'numpy', 'PIL'} & sys.modules.keys()\n"
        "import core.demo.classes\n"
        "assert not {'torch', 'timm', 'torchvision'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=environment(), timeout=60)


def test_backbone_has_all_weights_except_the_classifier() -> None:
    assert backbone_path().stat().st_size < 1_100_000
    model = timm.create_model("test_convnext", num_classes=20)
    weights = load_file(backbone_path())
    report = model.load_state_dict(weights, strict=False)
    assert (report.missing_keys, report.unexpected_keys) == (["head.fc.weight", "head.fc.bias"], [])
    assert all(tensor.isfinite().all() for tensor in weights.values())
    with safe_open(backbone_path(), "pt") as file:
        assert sorted(PRETRAINING_SET.patterns) == sorted(file.metadata()["classes"].split())


@pytest.mark.parametrize(("preset", "phases"), [("demo", 2), ("demo-backbone", 1)])
def test_presets(preset: str, phases: int) -> None:
    config = load_config(preset)
    assert (config.model.name, config.data.image_size) == ("test_convnext", IMAGE_SIZE)
    assert (config.model.pretrained, config.model.weights, config.data.root) == (False, None, None)
    assert sum(config.phases.get(p).epochs > 0 for p in ("head", "full")) == phases


def test_export_contains_all_weights_except_the_classifier(tmp_path: Path) -> None:
    model = timm.create_model("test_convnext", num_classes=3)
    checkpoint = {
        "model": model.state_dict(),
        "config": load_config("demo-backbone").model_dump(),
        "classes": ["a", "b", "c"],
        "metrics": {"top1": 0.5},
    }
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    torch.save(checkpoint, tmp_path / "run" / "checkpoints" / "best.pt")
    export(tmp_path / "run", tmp_path / "out.safetensors")
    exported = load_file(tmp_path / "out.safetensors")
    assert model.state_dict().keys() - exported.keys() == {"head.fc.weight", "head.fc.bias"}
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in exported.items())
    with safe_open(tmp_path / "out.safetensors", "pt") as file:
        metadata = file.metadata()
    assert (metadata["model"], metadata["classes"]) == ("test_convnext", "a b c")


def test_export_refuses_other_files(tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(SystemExit, match="not a checkpoint of this program"):
        main(["export", str(tmp_path / "other.pt"), str(tmp_path / "out")])
    with pytest.raises(SystemExit, match=r"absent\.pt"):
        main(["export", str(tmp_path / "absent.pt"), str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_pretraining_set_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = {name: PRETRAINING_SET.patterns[name] for name in ("arrow", "fog")}
    monkeypatch.setattr(
        "tests.tools.demo_backbone.pretraining.PRETRAINING_SET", DrawnDataset(some, INK_ON_PAPER)
    )
    draw(tmp_path / "a", per_class=2)
    expected = {f"{name}/000{i}.png" for name in some for i in range(2)}
    assert contents(tmp_path / "a").keys() == expected
