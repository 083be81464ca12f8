"""Checks before a run is created."""

from pathlib import Path
from typing import Any

import pytest

from core.common.errors import SetupError
from core.config.load import load_config
from core.config.schema import Config
from core.session.preflight import check
from tests.make_images import make_images


def config_for(root: Path | None, **values: Any) -> Config:
    return load_config(values={"data.root": None if root is None else str(root), **values})


def refusal(config: Config) -> str:
    with pytest.raises(SetupError) as caught:
        check(config)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert message.isprintable()
    return message


def test_a_valid_run_passes(tmp_path: Path) -> None:
    check(config_for(make_images(tmp_path, classes=2, per_class=1)))


def test_checking_creates_no_files(tmp_path: Path) -> None:
    root = make_images(tmp_path / "photos", classes=2, per_class=1)
    before = sorted(tmp_path.rglob("*"))
    check(config_for(root))
    assert sorted(tmp_path.rglob("*")) == before


def test_one_phase_may_be_skipped_but_not_both(tmp_path: Path) -> None:
    root = make_images(tmp_path, classes=2, per_class=1)
    check(config_for(root, **{"phases.head.epochs": 0}))
    message = refusal(config_for(root, **{"phases.head.epochs": 0, "phases.full.epochs": 0}))
    assert "phases.head.epochs" in message
    assert "phases.full.epochs" in message


def test_a_run_needs_a_data_folder() -> None:
    assert "--data" in refusal(config_for(None))


@pytest.mark.parametrize(
    "name",
    ["missing.safetensors", "new\nline.pth", "caf\udce9", "x" * 300],
    ids=lambda name: repr(name)[:20],
)
def test_missing_weights_are_reported(tmp_path: Path, name: str) -> None:
    root = make_images(tmp_path / "photos", classes=2, per_class=1)
    message = refusal(config_for(root, **{"model.weights": str(tmp_path / name)}))
    assert message.startswith("model.weights=")


def test_a_folder_is_not_a_weights_file(tmp_path: Path) -> None:
    root = make_images(tmp_path, classes=2, per_class=1)
    assert "model.weights" in refusal(config_for(root, **{"model.weights": str(tmp_path)}))


def test_a_missing_data_folder_is_reported(tmp_path: Path) -> None:
    assert "no such folder" in refusal(config_for(tmp_path / "nowhere"))


def test_the_demo_needs_no_existing_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "not generated yet"
    monkeypatch.setattr(
        "core.session.preflight.is_demo", lambda config: config.data.root == str(root)
    )
    check(config_for(root))


def test_a_missing_torch_is_an_error_of_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_images(tmp_path, classes=2, per_class=1)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install torch" in refusal(config_for(root))
