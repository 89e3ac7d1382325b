"""The probe of a run: made for its data, kept beside its model, measured on other images."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from latentgeo.datasets import ImageDataset, load
from latentgeo.errors import InputError
from latentgeo.files import write_atomically
from latentgeo.metrics import MeanInterval, bootstrap_mean
from latentgeo.models import Autoencoder, choose_device, device_of, load_model
from latentgeo.models.sampling import evaluating
from latentgeo.objectives.probe import Probe, probe_layer, probe_logits
from latentgeo.training.data import Splits
from latentgeo.training.labels import probe_labels

PROBE = "probe.safetensors"

_BATCH = 128


def make_probe(model: Autoencoder, splits: Splits, learning_rate: float) -> Probe:
    """Make a probe for a model and its images; raise `InputError` when they have no labels."""
    classes = 1 + max(int(probe_labels(each).max()) for each in (splits.train, splits.validation))
    return Probe(_numbers(model), classes, learning_rate=learning_rate)


def save_probe(probe: Probe, folder: Path) -> None:
    """Write the layer's weights in one step."""
    weights = {name: tensor.cpu() for name, tensor in probe.layer.state_dict().items()}
    content = save(weights, metadata={"format": "pt"})
    write_atomically(folder / PROBE, lambda temporary: _write(temporary, content))


def load_probe(run: str | Path) -> nn.Linear:
    """Read the layer that was trained beside a model.

    Parameters
    ----------
    run : str or pathlib.Path
        The run folder.

    Returns
    -------
    torch.nn.Linear
        Flattened latents to one logit for each class, on the CPU.

    Raises
    ------
    InputError
        When the run has none, or it is broken.
    """
    path = Path(run) / PROBE
    if not path.is_file():
        raise InputError(
            f"run {str(run)!r} has no {PROBE}; train one with --probe (probe=True), on data with "
            "labels"
        )
    try:
        weights = load_file(path)
        classes, dimension = weights["weight"].shape
        layer = probe_layer(dimension, classes)
        layer.load_state_dict(weights)
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{str(path)!r} holds no probe ({type(error).__name__}); train the run again"
        ) from None
    return layer


def probe_accuracy(
    run: str | Path,
    data: Any,
    *,
    size: int | None = None,
    seed: int = 0,
    device: str = "auto",
) -> MeanInterval:
    """Return the accuracy on images of the probe that was trained beside a model.

    Parameters
    ----------
    run : str or pathlib.Path
        The run folder.
    data : str, pathlib.Path or object
        Images with labels, whose test split is used, as `latentgeo.datasets.load` takes them.
    size : int, optional
        Resize the images of a named data set to so many pixels.
    seed : int, default=0
        Seeds the bootstrap over images.
    device : {"auto", "cpu", "cuda"}, default="auto"
        The device to compute on.

    Returns
    -------
    MeanInterval
        From 0 to 1.

    Raises
    ------
    InputError
        When the run has no probe, or the images do not fit or have no labels.
    """
    layer, model = load_probe(run), load_model(run)
    if layer.in_features != (numbers := _numbers(model)):
        raise InputError(
            f"the probe of run {str(run)!r} reads {layer.in_features} numbers, its model gives it "
            f"{numbers}; train the run again"
        )
    images = load(data, "test", size=size)
    labels = probe_labels(images)
    found = _classes(model, layer, images, choose_device(device))
    return bootstrap_mean(found == labels, seed=seed)


def _numbers(model: Autoencoder) -> int:
    """Count what a probe reads of an image."""
    with evaluating(model):
        image = torch.zeros(1, *model.config.image_shape, device=device_of(model))
        return model.probed(model.posterior(image)).numel()


@torch.no_grad()
def _classes(
    model: Autoencoder, layer: nn.Linear, images: ImageDataset, device: torch.device
) -> NDArray[np.int64]:
    model.to(device)
    layer.to(device)
    found = []
    for batch, _ in images.batches(_BATCH):
        probed = model.probed(model.posterior(batch.to(device)))
        found.append(probe_logits(layer, probed).argmax(dim=1).cpu().numpy())
    return np.concatenate(found)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
