"""NVIDIA GPUs of this machine, without torch."""

import os


def visible_gpus() -> list[str]:
    """Return the names of the NVIDIA GPUs this process may use, for CUDA_VISIBLE_DEVICES.

    Without that variable they are numbered as NVML and `nvidia-smi` do, which CUDA does only with
    CUDA_DEVICE_ORDER=PCI_BUS_ID.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        names = (name.strip() for name in visible.split(","))
        return [name for name in names if name not in ("", "-1")]
    import pynvml

    try:
        pynvml.nvmlInit()
        return [str(index) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return []
