"""The part of an image that validation and prediction look at."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.config.load import ConfigError
from core.inference.trained_run import load_run
from core.model.build import model_data_config
from core.session.fit import fit
from tests.core.engine_kit import small_config
from tests.make_images import make_images


@pytest.mark.parametrize(("value", "expected"), [("1.0", 1.0), ("0.5", 0.5), ("auto", None)])
def test_validation_and_prediction_crop_alike(
    value: str, expected: float | None, tmp_path: Path
) -> None:
    photos = make_images(tmp_path / "photos", classes=2, per_class=6, size=64)
    config = small_config(
        photos, f"data.crop_pct={value}", "phases.head.epochs=1", "phases.full.epochs=0"
    )
    loaded = load_run(fit(config, runs_dir=tmp_path / "runs").folder)
    own = model_data_config(loaded.model)["crop_pct"]
    assert loaded.transform["crop_pct"] == (own if expected is None else expected)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
    seen = np.asarray(loaded.val_transform()(image))
    whole = np.asarray(image).transpose(2, 0, 1)
    assert (seen == whole).all() == (loaded.transform["crop_pct"] == 1.0)


@pytest.mark.parametrize("value", ["0", "1.01", "nan", "-1", "all"])
def test_other_fractions_are_refused(value: str) -> None:
    with pytest.raises(ConfigError, match=r"^data\.crop_pct is .*; expected auto or a number"):
        small_config(Path(), f"data.crop_pct={value}")
