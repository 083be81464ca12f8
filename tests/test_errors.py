"""Errors for the user that no other test triggers: each is one sentence that names the thing.

The end of the suite compares all places that make such an error with those that were triggered; see
`tests/tools/error_sites.py`.
"""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from core import load_run
from core.common.errors import SetupError, UserError
from core.config.load import load_config
from core.config.schema import Config, ModelConfig
from core.data.image_folder import list_images
from core.data.sources import parse_location
from core.data.verify_split import verify_split
from core.distributed.torch_process_group import join
from core.distributed.torchrun_env import Job
from core.inference.checkpoint_lookup import checkpoint_file
from core.inference.export import onnx_format, safetensors_format
from core.inference.export.export import export
from core.inference.export.target import ExportTarget
from core.inference.labeled_images import list_labeled_images, list_split_images
from core.inference.prediction_rows import CsvFormat, PredictionRow
from core.inference.resumable_output import ResumableOutput, metadata_file
from core.model.build import build_model, load_weights
from core.model.device import compute_options
from core.run import actions
from core.run.folder import RunFolder
from core.session.resume import plan_resumption
from core.training.checkpoints.file import read_checkpoint, write_checkpoint
from tests.make_images import make_images
from tui.cli.main import cli
from tui.cli.tensorboard import _writer
from tui.runtime.remote_control import make_command, newest_active_run
from tui.runtime.session import Session
from tui.viewmodel import new_run_form


def refusal(call: Callable[[], object]) -> str:
    """Return the sentence with which a call is refused."""
    with pytest.raises(UserError) as caught:
        call()
    return str(caught.value)


def of_command(*arguments: str) -> str:
    """Return the sentence with which a command is refused, in this process."""
    result = CliRunner().invoke(cli, arguments)
    assert isinstance(result.exception, SetupError), result.output
    return str(result.exception)


def test_a_url_with_a_query() -> None:
    text = refusal(lambda: parse_location("https://example.org/photos?size=2"))
    assert text == "a URL with a query (?…) is not a folder; give the URL of the folder"


def test_classes_that_have_changed_since_the_run_started(trained: Path, tmp_path: Path) -> None:
    root = make_images(tmp_path / "photos", classes=2, per_class=12)
    text = refusal(
        lambda: verify_split(root, trained / "split.csv", lambda *_: None, lambda: False)
    )
    assert text == f"{root}: the classes have changed since the run started"


def test_a_rank_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    job = Job(rank=3, local_rank=1, size=4)
    assert refusal(lambda: join(job, "auto")) == (
        f"rank 3 needs GPU 1 on {job.host}, which has only 1 GPU; start one rank per GPU"
    )


def test_checkpoints_that_cannot_be_read(
    trained_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(trained_copy)
    below_a_file = folder.config / "best.pt"
    assert refusal(lambda: checkpoint_file(folder, str(below_a_file))) == (
        f"{below_a_file} can't be read: Not a directory"
    )

    def broken(*args: object, **kwargs: object) -> object:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("core.inference.trained_run.read_checkpoint", broken)
    text = refusal(lambda: load_run(trained_copy))
    assert text.startswith(f"{folder.checkpoints}/best.pt can't be read: Input/output error; the ")
    monkeypatch.undo()
    best = folder.checkpoints / "best.pt"
    content = torch.load(best, weights_only=True)
    write_checkpoint(best, {**content, "classes": content["classes"][:2]})
    assert "best.pt was written by an incompatible version: " in refusal(
        lambda: load_run(trained_copy)
    )
    write_checkpoint(best, {**content, "format": "something else"})
    assert refusal(lambda: read_checkpoint(best)) == "best.pt was not written by this program"
    write_checkpoint(best, content)
    data = best.read_bytes()[:200]
    best.write_bytes(data)
    (best.parent / "best.pt.sha256").write_text(_digest(data))
    assert "best.pt" in refusal(lambda: read_checkpoint(best))


def _digest(data: bytes) -> str:
    import hashlib

    return f"{hashlib.sha256(data).hexdigest()}  best.pt\n"


def test_exports_that_cannot_be_written(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = load_run(trained)
    assert refusal(lambda: ExportTarget("tflite", tmp_path / "m").check()).startswith(
        "unknown export format tflite; available: safetensors, "
    )
    target = ExportTarget("safetensors", tmp_path / "m.safetensors")

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(safetensors_format, "write", full)
    assert refusal(lambda: export(run, target)) == (
        f"{target.path} can't be written: No space left on device"
    )
    monkeypatch.undo()
    monkeypatch.setattr(onnx_format, "_MAX_BYTES", 10)
    pixels = torch.zeros(1, 3, 32, 32)
    assert "are too large for one ONNX file" in refusal(
        lambda: onnx_format.write(run, run.model, pixels, tmp_path / "m.onnx", {})
    )
    import safetensors.torch

    head = {name: t for name, t in run.model.state_dict().items() if "head" not in name}
    safetensors.torch.save_file(head, tmp_path / "no-head.safetensors")
    assert "no-head.safetensors lacks head" in refusal(
        lambda: safetensors_format.load(run, tmp_path / "no-head.safetensors")
    )


def test_images_for_an_evaluation_that_are_missing(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "photos" / "class_0").mkdir(parents=True)
    text = refusal(lambda: list_labeled_images(tmp_path / "photos", ["class_0", "class_1"]))
    assert text == f"{tmp_path / 'photos'}: no images in the folders of its classes; add some"
    folder = RunFolder(trained)
    assert refusal(
        lambda: list_split_images(folder, tmp_path, ["class_0", "class_1", "class_2"], "test")
    ) == ("this run has no test split; it has train, val")


def test_split_folders_that_cannot_be_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for split in ("train", "val"):
        make_images(tmp_path / split, classes=2, per_class=2)

    def refused(*args: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(tmp_path / "train"))

    monkeypatch.setattr("core.data.image_folder.find_split", refused)
    monkeypatch.setattr("core.inference.labeled_images.find_split", refused)
    assert refusal(lambda: list_images(tmp_path)) == (
        f"{tmp_path}/train: Permission denied; make it readable"
    )
    assert refusal(lambda: list_labeled_images(tmp_path, ["class_0"])) == (
        f"{tmp_path} can't be listed: Permission denied"
    )


def test_a_file_of_predictions_with_other_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "p.csv"
    metadata = {"run": "r", "checkpoint": "best.pt", "sha256": "0", "precision": "fp32"}

    def resumed(paths: list[str]) -> None:
        out = ResumableOutput(file, CsvFormat(1), metadata)
        try:
            rows, _ = out.resume(paths)
            for _ in rows:
                pass
        finally:
            out.close()

    resumed([])
    remedy = "give another --out, or --overwrite"
    file.write_text("some,other,columns,that,are,longer,than,the,header\n")
    assert refusal(lambda: resumed(["a"])) == f"{file} has other columns; {remedy}"
    file.write_bytes(CsvFormat(1).header + b'"a.png","cats"\n')
    assert refusal(lambda: resumed(["a.png"])) == (
        f"{file}: row 1 was not written by this command (2 columns); {remedy}"
    )
    file.unlink()
    metadata_file(file).unlink()
    out = ResumableOutput(file, CsvFormat(1), metadata)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    list(out.resume([])[0])
    out.append([PredictionRow("a.png", (("cats", 0.5),))])
    monkeypatch.setattr(os, "fsync", full)
    assert refusal(out.close) == f"{file} can't be written: No space left on device"


def test_models_that_cannot_be_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ModelConfig(name="test_convnext", pretrained=False)
    network, _ = build_model(model, 2, 0)
    below_a_file = tmp_path / "file" / "w.safetensors"
    below_a_file.parent.write_text("x")
    assert refusal(lambda: load_weights(network, below_a_file)).startswith(
        f"model.weights={below_a_file}: "
    )

    def broken(*args: object, **kwargs: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr("core.model.build.load_state_dict", broken)
        assert refusal(lambda: load_weights(network, below_a_file)) == (
            f"model.weights={below_a_file}: Input/output error"
        )
    wrong_tag = model.model_copy(update={"name": "test_convnext.no_such_tag"})
    assert "model.name=test_convnext.no_such_tag: " in refusal(lambda: build_model(wrong_tag, 2, 0))


def test_a_model_without_a_classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.model.build.trainable_head", lambda model: [])
    model = ModelConfig(name="test_convnext", pretrained=False)
    assert refusal(lambda: build_model(model, 2, 0)) == (
        "model.name=test_convnext: the model has no trainable classifier"
    )


def test_a_device_that_is_missing() -> None:
    if torch.backends.mps.is_available():
        pytest.skip("this machine has the device")
    assert refusal(lambda: compute_options(Config(device="mps"))).startswith(
        "device=mps is not available to torch on this machine, only "
    )


def test_runs_that_cannot_be_changed(
    trained_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(trained_copy)
    assert "characters: at most" in refusal(lambda: actions.change_notes(folder, name="x" * 10_000))
    trashed = actions.delete(folder)

    def refused(*args: object, **kwargs: object) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr(Path, "rename", refused)
    monkeypatch.setattr(shutil, "rmtree", refused)
    assert refusal(lambda: actions.restore(trashed)).endswith("Device or resource busy")
    assert refusal(lambda: actions.empty_trash(trained_copy.parent)).endswith(
        "Device or resource busy"
    )


def test_runs_that_cannot_be_resumed(
    trained_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(trained_copy)
    folder.config.write_text("[")
    assert f"run {folder.id} cannot be resumed: " in refusal(lambda: plan_resumption(folder))
    monkeypatch.setattr("core.session.resume.is_demo", lambda config: True)
    monkeypatch.setattr("core.session.resume.load_recorded", lambda file: load_config("demo"))
    assert refusal(lambda: plan_resumption(folder, data=str(tmp_path))) == (
        "the demo generates its images: omit --data"
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--resume", "x", "--name", "y"), "--name is for a new run: omit it with --resume"),
        (("settings", "theme"), "settings theme needs a value; `convnext-tui settings` lists them"),
        (("predict", "x", "-", "-"), "standard input (-) can be read only once"),
    ],
)
def test_arguments_that_exclude_each_other(arguments: tuple[str, ...], text: str) -> None:
    assert of_command(*arguments) == text


def test_a_value_for_a_command_that_takes_none() -> None:
    text = refusal(lambda: make_command("pause", "now"))
    assert text == "pause takes no value, but was given 'now'"


def test_commands_without_their_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(lambda: newest_active_run(tmp_path)) == (
        f"no run in progress in {tmp_path}; `convnext-tui runs` lists all runs"
    )
    monkeypatch.setitem(__import__("sys").modules, "tensorboardX", None)
    assert refusal(_writer) == (
        "TensorBoard export needs tensorboardX: pip install 'convnext-tui[tensorboard]'"
    )


def test_a_report_that_cannot_be_read(trained_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(folder: RunFolder) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("tui.cli.run_report.read_report", broken)
    text = of_command("show", trained_copy.name, "--runs-dir", str(trained_copy.parent))
    assert text == f"{trained_copy} can't be read: Input/output error"


def test_a_port_that_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("textual_serve")

    def taken(*args: object) -> None:
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))

    monkeypatch.setattr("tui.runtime.web_server.serve", taken)
    text = of_command("serve", "--port", "8001", "--runs-dir", str(tmp_path))
    assert text == "can't listen on 127.0.0.1 port 8001: Address already in use"


def test_a_process_that_already_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(tmp_path)
    session.stop("SIGTERM")
    assert refusal(lambda: session.start_run(Config())) == "SIGTERM"
    session = Session(tmp_path)
    monkeypatch.setattr(Session, "training", property(lambda self: True))
    assert refusal(lambda: session.start_run(Config())) == (
        "this process already trains a run; stop it or wait for its end"
    )


def test_forms_that_describe_no_run() -> None:
    assert refusal(lambda: new_run_form.build("default", {}, demo=False))
    assert refusal(
        lambda: new_run_form.build("default", {new_run_form.MORE: "'open"}, demo=True)
    ) == ("no closing quotation")
