"""Classes that the demo's backbone is pretrained on."""

from core.demo.classes import DrawnDataset
from core.demo.render import INK_ON_PAPER
from tests.tools.demo_backbone.shapes import SHAPES
from tests.tools.demo_backbone.textures import TEXTURES

PRETRAINING_SET = DrawnDataset({**SHAPES, **TEXTURES}, INK_ON_PAPER)
"""None of its classes resembles a class of the demo."""
