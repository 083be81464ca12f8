"""Convert ConvNeXt tensor names of Hugging Face's transformers to those of timm.

From those of `ConvNextForImageClassification` and `ConvNextV2ForImageClassification`
(`facebook/convnext-*`, `facebook/convnextv2-*`) to those of timm's `convnext.py`.
"""

import re
from collections.abc import Mapping

from torch import Tensor

_PREFIX = re.compile(r"(convnext(v2)?\.)?(?=(embeddings|encoder|layernorm)\.)")
_TRANSFORMERS_NAME = re.compile(r"(convnext(v2)?\.)?embeddings\.patch_embeddings\.weight")
_RULES = (
    (re.compile(r"embeddings\.patch_embeddings\."), "stem.0."),
    (re.compile(r"embeddings\.layernorm\."), "stem.1."),
    (re.compile(r"encoder\.stages\.(\d+)\.downsampling_layer\."), r"stages.\1.downsample."),
    (re.compile(r"encoder\.stages\.(\d+)\.layers\."), r"stages.\1.blocks."),
    (re.compile(r"layernorm\."), "head.norm."),
    (re.compile(r"classifier\."), "head.fc."),
)
_IN_BLOCK = (
    (".dwconv.", ".conv_dw."),
    (".layernorm.", ".norm."),
    (".pwconv1.", ".mlp.fc1."),
    (".pwconv2.", ".mlp.fc2."),
    (".grn.", ".mlp.grn."),
    (".layer_scale_parameter", ".gamma"),
)


def timm_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights of transformers under timm's names; other weights unchanged."""
    if not any(_TRANSFORMERS_NAME.fullmatch(name) for name in tensors):
        return dict(tensors)
    return {_timm_name(name): value for name, value in tensors.items()}


def _timm_name(name: str) -> str:
    stripped = _PREFIX.sub("", name, count=1)
    for pattern, replacement in _RULES:
        if pattern.match(stripped):
            renamed = pattern.sub(replacement, stripped, count=1)
            return _rename_in_block(renamed) if renamed.startswith("stages.") else renamed
    return name


def _rename_in_block(name: str) -> str:
    for old, new in _IN_BLOCK:
        name = name.replace(old, new)
    return name


def reshaped(value: Tensor, like: Tensor) -> Tensor:
    """Return `value` in the shape of `like`, if they differ only in dimensions of size one.

    The libraries differ in these: the weights (O, I) of a linear layer are those of a 1x1
    convolution (O, I, 1, 1), as in timm's smaller models; global response normalization in
    transformers has (1, 1, 1, C) instead of (C,).
    """
    same = [n for n in value.shape if n != 1] == [n for n in like.shape if n != 1]
    return value.reshape(like.shape) if same else value
