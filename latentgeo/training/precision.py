"""The arithmetic of the passes: float32, or less of it with float32 weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from latentgeo.models import Autoencoder
from latentgeo.objectives import Pass

_HALVES = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


class Arithmetic:
    """How a model is run, and how its gradients are taken and followed.

    Parameters
    ----------
    precision : {"32-true", "tf32", "bf16-mixed", "16-mixed"}
        With "tf32" products and convolutions round their factors to 10 bits, on a GPU. With half
        precision the model computes in it where torch's autocast finds that safe, and terms see
        float32; of float16 the loss is scaled, for its gradients are too small.
    device : torch.device
        The device to compute on.
    """

    def __init__(self, precision: str, device: torch.device) -> None:
        self._half = _HALVES.get(precision)
        self._tf32 = precision == "tf32"
        self._device = device
        self.scaler = torch.amp.GradScaler(device.type) if precision == "16-mixed" else None

    @contextmanager
    def products(self) -> Iterator[None]:
        """Set the precision of float32 products and convolutions on a GPU within a block.

        torch's own default rounds those of convolutions alone.
        """
        owners, name, exact, rounded = _float32_setting()
        before = [getattr(owner, name) for owner in owners]
        for owner in owners:
            setattr(owner, name, rounded if self._tf32 else exact)
        try:
            yield
        finally:
            for owner, value in zip(owners, before, strict=True):
                setattr(owner, name, value)

    def run(self, model: Autoencoder, images: Tensor, labels: Tensor | None) -> Pass:
        """Return the pass of images through a model."""
        if self._half is None:
            return _run(model, images, labels)
        with torch.autocast(self._device.type, dtype=self._half):
            return _run(model, images.to(self._half), labels).map(_to_float32)

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss to those of the weights."""
        scaled = loss if self.scaler is None else self.scaler.scale(loss)
        scaled.backward()  # type: ignore[no-untyped-call]

    def step(self, optimiser: Optimizer, clip: float | None) -> None:
        """Take a step, of gradients whose norm is at most `clip`."""
        if clip is not None:
            if self.scaler is not None:
                self.scaler.unscale_(optimiser)
            nn.utils.clip_grad_norm_(optimiser.param_groups[0]["params"], clip)
        if self.scaler is None:
            optimiser.step()
        else:
            self.scaler.step(optimiser)
            self.scaler.update()


def _float32_setting() -> tuple[list[Any], str, Any, Any]:
    """Return which objects of torch have the setting, its name, and its values."""
    cuda, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    if hasattr(cudnn, "conv"):  # from torch 2.9 on
        return [cuda, cudnn.conv], "fp32_precision", "ieee", "tf32"
    return [cuda, cudnn], "allow_tf32", False, True


def _run(model: Autoencoder, *given: Any) -> Pass:
    pass_: Pass = model(*given)
    return pass_


def _to_float32(values: Tensor) -> Tensor:
    return values.float() if values.is_floating_point() else values
