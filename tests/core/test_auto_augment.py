"""Policies of automatic augmentation: those accepted are built and drawn, others are refused."""

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from timm.data import auto_augment as timm_policies
from torchvision.transforms import Compose, TrivialAugmentWide

from core.config.augment_presets import AUGMENT_PRESETS
from core.config.auto_augment import POLICIES, TRANSFORM_SETS, TRIVIAL, Section, policy_problem
from core.config.load import (
    ConfigError,
    changed,
    config_from_tree,
    load_config,
    load_recorded,
    to_yaml,
    with_values,
)
from core.config.schema import Config
from core.data.decode import read_rgb
from core.data.loading.transforms import automatic_operations, make_transforms, posterize
from tests.tui.command import environment

KEY = "data.augment.auto_augment"
SIDE = 16
DATA_CONFIG: dict[str, Any] = {
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
    "interpolation": "bicubic",
    "crop_pct": 0.875,
    "crop_mode": "center",
}
EXAMPLES = (
    "rand",
    "rand-m9-mstd0.5-inc1",
    "rand-m30-mmax30-mstd101-n3-p1",
    "rand-m15-inc1-tweights",
    "rand-m10-t3a",
    "rand-m10-inc1-t3aw-n10",
    "augmix",
    "augmix-m3-w2",
    "augmix-m10-w2-d1-a0.1-mstd0",
    "augmix-m5-a100-mstd2",
    *("original", "originalr", "v0", "v0r", "3a", "original-mstd0.5", "v0r-mstd1000"),
    TRIVIAL,
)


def transform(*overrides: str, **data_config: Any) -> Compose:
    config = load_config(overrides=[f"data.image_size={SIDE}", *overrides])
    train, _ = make_transforms(config, {**DATA_CONFIG, **data_config})
    assert isinstance(train, Compose)
    return train


def policy(text: str) -> Compose:
    return transform(f"{KEY}={text}")


def seed_all(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def noise(width: int = SIDE, height: int = SIDE) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(values={KEY: text})
    message = str(caught.value)
    assert message.startswith(f"{KEY} is ")
    assert message.isprintable()
    return message


def number(section: Section) -> st.SearchStrategy[str]:
    whole = st.integers(int(section.low), int(section.high)).map(str)
    if section.is_whole:
        return whole
    return st.floats(section.low, section.high).map(lambda value: f"{value:.4f}") | whole.filter(
        lambda text: float(text) >= section.low
    )


@st.composite
def accepted(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from([*POLICIES]))
    known = POLICIES[name]
    keys = draw(st.permutations([*known, *(["t"] if name == "rand" else [])]))
    kept = keys[: draw(st.integers(0, len(keys)))]
    texts = [
        "t" + draw(st.sampled_from(TRANSFORM_SETS))
        if key == "t"
        else key + draw(number(known[key]))
        for key in kept
    ]
    return "-".join([name, *texts])


letters = [*"mnptwdab", "mstd", "mmax", "inc", "tweights", "t3a"]
others = ["-", ".", "0", "1", "9", "10", "31", "0.5", "1e9", "X", "\u0663", " ", "inf", "_"]
pieces = st.sampled_from([*POLICIES, *letters, *others])


@settings(max_examples=150)
@given(accepted() | st.lists(pieces, max_size=9).map("".join) | st.text(max_size=12))
def test_each_text_is_drawn_by_timm_or_refused_with_its_name(text: str) -> None:
    if problem := policy_problem(text):
        assert problem in refusal(text)
        return
    config = Config.model_validate(
        {"data": {"image_size": SIDE, "augment": {"auto_augment": text}}}
    )
    train, _ = make_transforms(config, DATA_CONFIG)
    seed_all(0)
    for _ in range(3):
        assert train(noise()).shape == (3, SIDE, SIDE)


@settings(max_examples=100)
@given(accepted())
def test_every_section_within_its_limits_is_accepted(text: str) -> None:
    assert policy_problem(text) == ""


def test_sections_reach_timm() -> None:
    shown = str(policy("rand-m7-mmax20-mstd0.25-n3-p0.75-inc1"))
    assert "RandAugment(n=3" in shown
    assert "PosterizeIncreasing, p=0.75, m=7, mstd=0.25, mmax=20" in shown
    assert "AugMixAugment(alpha=0.5, width=4, depth=2" in str(policy("augmix-w4-d2-a0.5"))
    assert "mstd=0.5" in str(policy("original-mstd0.5"))
    assert "mstd=inf" in str(policy("rand-mstd101"))


def test_each_set_of_operations_of_timm_is_known() -> None:
    usual = timm_policies.rand_augment_choices("")
    sets = [timm_policies.rand_augment_choices(name) for name in TRANSFORM_SETS]
    assert all(found is not usual for found in sets)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "expected null or one of the policies rand, augmix, original, originalr, v0, v0r, 3a"),
        ("none", "expected null or one of"),
        ("RandAugment", "3a and trivial; did you mean 'rand'?"),
        ("TrivialAugmentWide-m3", "did you mean 'trivial'?"),
        ("Original", "did you mean 'original'?"),
        ("rand_m9", "did you mean 'rand'?"),
        ("origin", "did you mean 'original'?"),
        ("trivial-wide", "expected trivial alone, without 'wide'"),
        ("rand-mX", "expected m followed by a whole number from 0 to 30 instead of 'mX'"),
        ("rand-m", "instead of 'm'"),
        ("rand-m-5", "instead of 'm'"),
        ("rand-m31", "from 0 to 30 instead of 'm31'"),
        ("rand-m9.5", "a whole number from 0 to 30 instead of 'm9.5'"),
        ("rand-m" + "9" * 400, "from 0 to 30"),
        ("rand-m9-m8", "it has section m twice"),
        ("rand-t3a-tweights", "it has section t twice"),
        ("rand-n0", "n followed by a whole number from 1 to 10"),
        ("rand-p1.5", "p followed by a number from 0 to 1"),
        ("rand-p.5", "p followed by a number from 0 to 1 instead of 'p.5'"),
        ("rand-mstdinf", "rand has no section 'mstdinf'; expected m, mmax, mstd, n, p, inc or t"),
        ("rand-mmax0", "mmax followed by a whole number from 1 to 30"),
        ("rand-inc2", "inc followed by a whole number from 0 to 1"),
        ("rand-tfoo", "expected tweights, t3a or t3aw instead of 'tfoo'"),
        ("rand--m9", "policy rand has no section ''"),
        ("rand-9", "policy rand has no section '9'"),
        ("augmix-b1", "policy augmix has no section 'b1'; expected m, mstd, w, d or a"),
        ("augmix-a0", "a followed by a number from 0.1 to 100"),
        ("v0-m9", "policy v0 has no section 'm9'; expected mstd"),
    ],
)  # fmt: skip
def test_a_text_that_is_no_policy_is_refused(text: str, part: str) -> None:
    assert part in refusal(text)


def test_a_policy_is_checked_without_torch_and_timm() -> None:
    code = (
        "import sys\n"
        "from core.config.load import ConfigError, load_config\n"
        f"load_config(overrides=['{KEY}=augmix-m3-w3'])\n"
        "try:\n"
        f"    load_config(overrides=['{KEY}=augmix-mX'])\n"
        "except ConfigError:\n"
        "    pass\n"
        "assert not {'torch', 'timm', 'torchvision', 'PIL.ImageOps'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=environment(), timeout=60)


def test_a_recorded_policy_with_sections_that_timm_ignores_stays_usable(tmp_path: Path) -> None:
    tree = Config().model_dump()
    tree["data"]["augment"]["auto_augment"] = "rand-m9-mstdinf"
    config = config_from_tree(tree)
    file = tmp_path / "config.yaml"
    file.write_text(to_yaml(config))
    assert load_recorded(file) == config
    assert with_values(config, {"data.batch_size": 8}).data.augment == config.data.augment
    make_transforms(config, DATA_CONFIG)
    for is_new in (lambda: load_config(file), lambda: changed(config, ["seed=3"])):
        with pytest.raises(ConfigError, match="no section 'mstdinf'"):
            is_new()


MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16")
SUFFIXES = {"CMYK": "tif", "I;16": "tif"}


@pytest.fixture(scope="module")
def decoded(tmp_path_factory: pytest.TempPathFactory) -> list[Image.Image]:
    """Images that were decoded from files of each mode: noise, and one color."""
    folder = tmp_path_factory.mktemp("modes")
    images = []
    for mode in MODES:
        for name, image in (("noise", noise(SIDE, SIDE + 3)), ("flat", Image.new("RGB", (17, 16)))):
            file = folder / f"{name}-{mode.replace(';', '')}.{SUFFIXES.get(mode, 'png')}"
            image.convert("I" if mode == "I;16" else mode).convert(mode).save(file)
            with Image.open(file) as opened:
                assert opened.mode == mode
            images.append(read_rgb(file))
    assert {image.mode for image in images} == {"RGB"}
    return images


@pytest.mark.parametrize("name", sorted(timm_policies.NAME_TO_OP))
def test_each_operation_is_drawn_at_each_level(name: str, decoded: list[Image.Image]) -> None:
    hparams = {"translate_const": 7, "img_mean": (124, 116, 104), "magnitude_max": 30}
    for level in range(31):
        operation = timm_policies.AugmentOp(name, prob=1.0, magnitude=level, hparams=hparams)
        if operation.aug_fn is timm_policies.posterize:
            operation.aug_fn = posterize
        random.seed(level)
        for image in decoded if level in (0, 1, 9, 10, 30) else decoded[:2]:
            drawn = operation(image)
            assert (drawn.mode, drawn.size) == ("RGB", image.size)


@pytest.mark.parametrize("text", EXAMPLES)
def test_many_draws_of_a_policy_succeed(text: str, decoded: list[Image.Image]) -> None:
    parts = policy(text).transforms
    automatic = Compose([part for part in parts if _is_automatic(part)])
    assert len(automatic.transforms) == 1
    small = [image.resize((SIDE, SIDE)) for image in decoded]
    seed_all(1)
    for number in range(2000):
        drawn = automatic(small[number % len(small)])
        assert (drawn.mode, drawn.size) == ("RGB", (SIDE, SIDE))


def _is_automatic(part: object) -> bool:
    return isinstance(
        part,
        timm_policies.RandAugment
        | timm_policies.AugMixAugment
        | timm_policies.AutoAugment
        | TrivialAugmentWide,
    )


@pytest.mark.parametrize("text", [each for each in EXAMPLES if each != TRIVIAL])
def test_all_operations_of_a_policy_are_reached(text: str) -> None:
    train = policy(text)
    operations = list(automatic_operations(train))
    assert len(operations) == str(train).count("AugmentOp(")
    assert all(operation.aug_fn is not timm_policies.posterize for operation in operations)


@pytest.mark.parametrize("text", EXAMPLES)
def test_a_policy_replaces_the_color_jitter_except_with_3a(text: str) -> None:
    assert ("ColorJitter" in str(policy(text))) == ("3a" in text)


@pytest.mark.parametrize("text", EXAMPLES)
def test_equal_seeds_draw_equal_images(text: str) -> None:
    train, image = policy(text), noise(40, 30)
    drawn = []
    for seed in (*range(12), *range(12)):
        seed_all(seed)
        drawn.append(train(image))
    assert all(torch.equal(a, b) for a, b in zip(drawn[:12], drawn[12:], strict=True))
    assert not all(torch.equal(drawn[0], other) for other in drawn[1:12])


def test_trivial_augment_fills_with_the_mean_color() -> None:
    [trivial] = [part for part in policy(TRIVIAL).transforms if _is_automatic(part)]
    assert trivial.fill == [124, 116, 104]
    assert trivial.interpolation.value == "bicubic"
    moved = 0
    for seed in range(60):
        torch.manual_seed(seed)
        colors = {color for _, color in trivial(Image.new("RGB", (64, 64), "white")).getcolors()}
        moved += (124, 116, 104) in colors
    assert moved


@pytest.mark.parametrize("crop_mode", ["center", "squash", "border"])
def test_preset_none_gives_the_validation_transform(crop_mode: str) -> None:
    config = load_config(overrides=["data.augment.preset=none", f"data.image_size={SIDE}"])
    train, val = make_transforms(config, {**DATA_CONFIG, "crop_mode": crop_mode})
    assert str(train) == str(val)
    for seed, image in enumerate((noise(40, 30), noise(30, 40), noise(16, 90))):
        seed_all(seed)
        states = (random.getstate(), torch.get_rng_state().tolist())
        assert torch.equal(train(image), val(image))
        assert (random.getstate(), torch.get_rng_state().tolist()) == states, "nothing is drawn"


def test_keys_on_top_of_preset_none_keep_the_crop_of_validation() -> None:
    def types(*overrides: str) -> list[str]:
        parts = transform("data.augment.preset=none", *overrides).transforms
        return [type(part).__name__ for part in parts]

    crop, last = ["Resize", "CenterCrop"], "MaybePILToTensor"
    assert types() == [*crop, last]
    assert types("data.augment.vflip=0.5") == [*crop, "RandomVerticalFlip", last]
    assert types(f"{KEY}=trivial") == [*crop, "TrivialAugmentWide", last]
    assert types("data.augment.erase=0.1")[:2] == crop
    assert types("data.augment.min_scale=0.5") == ["RandomResizedCropAndInterpolation", last]
    assert types("data.augment.preset=custom", "data.augment.hflip=0")[0] not in crop


def names(texts: list[str]) -> dict[str, str]:
    found = {f"{KEY}={text}": str(policy(text)) for text in texts}
    for preset in AUGMENT_PRESETS:
        found[preset] = str(transform(f"data.augment.preset={preset}"))
    return found


def test_different_policies_and_presets_have_different_texts_without_addresses() -> None:
    texts = [*EXAMPLES, "rand-m9-inc1", "rand-m9-n3", "rand-m9-p0.6", "rand-m9-mmax20"]
    shown = names([*texts, "augmix-m4", "augmix-d2", "augmix-a2", "augmix-mstd1", "v0-mstd1"])
    assert len(set(shown.values())) == len(shown)
    for text in shown.values():
        assert " at 0x" not in text
        assert "object" not in text
