"""Built-in demo: twenty classes of drawn images, and a small pretrained backbone.

Nothing is downloaded. The images are drawn into the user's cache folder on first use, identical
for a given seed; the backbone is a file of this package. Neither needs torch.
"""

from core.demo.storage import (
    DEMO_SEED,
    IMAGES_PER_CLASS,
    backbone_path,
    demo_data_dir,
    make_demo_data,
)

__all__ = [
    "DEMO_SEED",
    "IMAGES_PER_CLASS",
    "backbone_path",
    "demo_data_dir",
    "make_demo_data",
]
