"""The built-in demo: twenty classes of drawn pictures, and a small backbone to start from.

Nothing is downloaded. The pictures are drawn on first use into the user's cache folder, the same
bytes for the same seed; the backbone lies beside this file. Neither needs torch.
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
