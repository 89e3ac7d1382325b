"""The device to compute on."""

import torch
from torch import nn

from latentgeo import processes
from latentgeo.errors import InputError
from latentgeo.models.autoencoder import Autoencoder
from latentgeo.settings import unknown

_NAMES = ("auto", "cpu", "cuda")


def choose_device(name: str) -> torch.device:
    """Choose the device.

    Parameters
    ----------
    name : {"auto", "cpu", "cuda"}
        "auto" takes a GPU where there is one.

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    InputError
        When the name is unknown, there is no GPU that PyTorch can use, or `torchrun` started more
        processes on this machine than it has GPUs.
    """
    if name not in _NAMES:
        raise unknown("device", name, _NAMES)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        why = "is built without CUDA" if torch.version.cuda is None else "finds no GPU"
        raise InputError(
            f"device 'cuda' is not available: PyTorch {torch.__version__} {why}; "
            "use 'cpu' or 'auto'"
        )
    if name == "cuda" and processes.count() > 1:
        _check_number(torch.cuda.device_count())
    return torch.device(name)


def _check_number(devices: int) -> None:
    started = processes.local_count()
    if started > devices:
        raise InputError(
            f"torchrun started {started} processes on this machine and PyTorch finds {devices} "
            f"GPU{'s' * (devices > 1)}; start one for each (--nproc-per-node {devices}), or use "
            "device 'cpu'"
        )


def dtype_of(model: Autoencoder) -> str:
    """Return the name of the arithmetic that makes a model's latents."""
    found = model.identity.get("dtype")
    weights = (weight for weight in model.parameters() if weight.is_floating_point())
    return str(found or next(weights, torch.empty(0)).dtype).removeprefix("torch.")


def device_of(module: nn.Module) -> torch.device:
    """Return the device that a module's weights lie on; the CPU where it has none."""
    return next((weight.device for weight in module.parameters()), torch.device("cpu"))
