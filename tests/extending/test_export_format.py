"""An export format takes one entry in the table and one module."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import tui.cli.export
from core import TrainedRun, load_run
from core.common.errors import SetupError
from core.inference.export.export import export
from core.inference.export.formats import EXPORT_FORMATS, ExportFormat
from core.inference.export.target import ExportTarget

MODULE = """
import torch


def write(run, model, example, path, metadata):
    torch.save({"model": model.state_dict(), "classes": metadata["classes"]}, path)


def load(run, path):
    from core.model.build import build_model

    config = run.config.model.model_copy(update={"pretrained": False, "weights": None})
    model, _ = build_model(config, len(run.classes), seed=123)
    model.load_state_dict(torch.load(path, weights_only=True)["model"])
    return model.eval()
"""
ENTRY = ExportFormat(
    module="pth_format_of_a_test",
    suffix=".pth",
    usage='weights = torch.load("{path}", weights_only=True)  # of {model}, {classes} classes',
)


@pytest.fixture
def module_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Register the format `pth`, with its module in a folder on the path; import nothing."""
    file = tmp_path / "modules" / f"{ENTRY.module}.py"
    file.parent.mkdir()
    file.write_text(MODULE)
    monkeypatch.syspath_prepend(file.parent)
    monkeypatch.setitem(EXPORT_FORMATS, "pth", ENTRY)
    importlib.reload(tui.cli.export)
    yield file
    sys.modules.pop(ENTRY.module, None)
    monkeypatch.undo()
    importlib.reload(tui.cli.export)


@pytest.fixture
def run(trained: Path) -> TrainedRun:
    return load_run(trained)


@pytest.mark.usefixtures("module_file")
def test_export_writes_verifies_and_documents_a_new_format(run: TrainedRun, tmp_path: Path) -> None:
    made = export(run, ExportTarget("pth", tmp_path / "birds.pth"))
    content = torch.load(made.path, weights_only=True)
    assert content["classes"] == list(run.classes)
    weights = run.model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in content["model"].items())
    assert made.max_difference < 1e-6
    card = made.card.read_text()
    assert 'torch.load("birds.pth", weights_only=True)  # of test_convnext, 3 classes' in card


def test_a_format_that_fails_verification_is_not_kept(
    module_file: Path, run: TrainedRun, tmp_path: Path
) -> None:
    module_file.write_text(
        MODULE.replace("return model.eval()", "return lambda images: 2 * model(images)")
    )
    with pytest.raises(SetupError, match="failed verification"):
        export(run, ExportTarget("pth", tmp_path / "birds.pth"))
    assert not (tmp_path / "birds.pth").exists()


@pytest.mark.usefixtures("module_file")
@pytest.mark.parametrize(
    ("target", "message"),
    [
        (ExportTarget("pth", Path("birds.pt")), r"must end in \.pth"),
        (ExportTarget("pth", Path("birds.pth"), with_normalize=True), "contains weights only"),
    ],
)
def test_checks_use_the_entry_without_importing_the_module(
    target: ExportTarget, message: str
) -> None:
    with pytest.raises(SetupError, match=message):
        target.check()
    assert ENTRY.module not in sys.modules


@pytest.mark.usefixtures("module_file")
def test_the_command_line_accepts_and_lists_a_new_format(trained: Path, tmp_path: Path) -> None:
    help_text = CliRunner().invoke(tui.cli.export.export, ["--help"]).output
    assert "--to [safetensors|timm|onnx|torchscript|pth]" in help_text
    out = tmp_path / "birds.pth"
    done = CliRunner().invoke(
        tui.cli.export.export, [str(trained), "--to", "pth", "--out", str(out)]
    )
    assert (done.exit_code, out.exists()) == (0, True), done.output


def test_the_command_line_rejects_a_format_without_an_entry(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        tui.cli.export.export, ["run", "--to", "pth", "--out", str(tmp_path / "birds.pth")]
    )
    assert done.exit_code == 2
    assert "'pth' is not one of 'safetensors', 'timm', 'onnx', 'torchscript'" in done.output
