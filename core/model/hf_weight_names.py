"""Other libraries' names for a ConvNeXt's tensors, as timm's.

The names are those of `ConvNextForImageClassification` and `ConvNextV2ForImageClassification` in
Hugging Face's transformers (`facebook/convnext-*`, `facebook/convnextv2-*`), and of timm's
`convnext.py`.
"""

import re
from collections.abc import Mapping

from torch import Tensor

_PREFIX = re.compile(r"(convnext(v2)?\.)?(?=(embeddings|encoder|layernorm)\.)")
_MARK = re.compile(r"(convnext(v2)?\.)?embeddings\.patch_embeddings\.weight")
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
    """Return weights of transformers with timm's names; others as they are."""
    if not any(_MARK.fullmatch(name) for name in tensors):
        return dict(tensors)
    return {_timm_name(name): value for name, value in tensors.items()}


def _timm_name(name: str) -> str:
    bare = _PREFIX.sub("", name, count=1)
    for pattern, ours in _RULES:
        if pattern.match(bare):
            found = pattern.sub(ours, bare, count=1)
            return _in_block(found) if found.startswith("stages.") else found
    return name


def _in_block(name: str) -> str:
    for theirs, ours in _IN_BLOCK:
        name = name.replace(theirs, ours)
    return name


def reshaped(value: Tensor, like: Tensor) -> Tensor:
    """Return a tensor in the shape of another that holds the same values otherwise.

    Only dimensions of size one differ between the libraries: a linear layer's weights (O, I) are
    those of a 1x1 convolution (O, I, 1, 1), as in timm's smaller models; transformers' response
    normalisation has (1, 1, 1, C) for (C,).
    """
    same = [n for n in value.shape if n != 1] == [n for n in like.shape if n != 1]
    return value.reshape(like.shape) if same else value
