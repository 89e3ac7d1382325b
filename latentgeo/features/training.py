"""Train the classifier whose features samples are measured in."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.optim import Adam
from torch.optim.lr_scheduler import OneCycleLR

from latentgeo.datasets import ImageDataset, load
from latentgeo.errors import InputError, TrainingDivergedError
from latentgeo.features.folder import save_features
from latentgeo.features.network import Classifier, ClassifierConfig
from latentgeo.files import check_free, kept
from latentgeo.models import choose_device, device_of
from latentgeo.progress import track
from latentgeo.provenance import provenance
from latentgeo.settings import ClassifierSettings, resolve

_SPLITS = ("train", "validation", "test")
_BATCH = 200


def train_classifier(
    data: str | Path,
    *,
    out: str | Path,
    settings: ClassifierSettings | None = None,
    force: bool = False,
    progress: bool = True,
    **choices: Any,
) -> Path:
    """Train a small classifier and leave a folder that `load_features` reads.

    On a CPU, with the same number of threads, it is the same bit for bit every time. Torch's
    global random state is left as it was. The weights are those of the last step, and nothing is
    chosen on the test images: their accuracy is only written down.

    Parameters
    ----------
    data : str or pathlib.Path
        A data set's name or a folder of images, with labels. The split "train" is trained on.
    out : str or pathlib.Path
        The folder; it gets `features.safetensors` and `features.json`.
    settings : ClassifierSettings, optional
        What decides it; the defaults if left out.
    force : bool, default=False
        Overwrite what `out` holds.
    progress : bool, default=True
        Show a bar on standard error.
    **choices
        Fields of `ClassifierSettings`, before those of `settings`.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    InputError
        When a setting, the data or the folder cannot be used.
    TrainingDivergedError
        When the loss is NaN or infinite; nothing is written.
    """
    chosen = resolve(ClassifierSettings, settings, choices, of=train_classifier)
    place, folder = choose_device(chosen.device), Path(out)
    with kept(folder):
        check_free(folder, holds="a classifier", force=force, reads=(data,))
        parts = {split: load(data, split) for split in _SPLITS}
        classes = _count_classes(parts)
        with torch.random.fork_rng(devices=[] if place.type == "cpu" else None):
            torch.manual_seed(chosen.seed)
            config = ClassifierConfig(image_shape=parts["train"].shape, classes=classes)
            # Channels last: it trains nearly twice as fast in it on a CPU.
            classifier = Classifier(config).to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]
            _descend(classifier, parts["train"], chosen, show=progress)
        save_features(classifier.eval(), _facts(classifier, parts, chosen), folder)
    return folder


def _descend(
    classifier: Classifier, images: ImageDataset, settings: ClassifierSettings, *, show: bool
) -> None:
    steps = math.ceil(len(images) / settings.batch_size)
    optimiser = Adam(classifier.parameters(), lr=settings.learning_rate)
    schedule = OneCycleLR(
        optimiser,
        settings.learning_rate,
        epochs=settings.epochs,
        steps_per_epoch=steps,
        cycle_momentum=False,
    )
    for epoch in track(range(settings.epochs), f"classifier of {images.name}", show=show):
        for positions in _batches(len(images), epoch, settings):
            logits = classifier(_batch(images, positions).to(device_of(classifier)))
            labels = _labels(images)[positions]
            loss = cross_entropy(logits, torch.from_numpy(labels).to(logits.device))
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
        _check_finite(loss.item(), epoch, settings)


def _batch(images: ImageDataset, positions: NDArray[np.int64]) -> Tensor:
    return images.batch(positions).contiguous(memory_format=torch.channels_last)


def _batches(count: int, epoch: int, settings: ClassifierSettings) -> Iterator[NDArray[np.int64]]:
    order = np.random.default_rng((settings.seed, epoch)).permutation(count)
    return (
        order[first : first + settings.batch_size] for first in range(0, count, settings.batch_size)
    )


def _facts(
    classifier: Classifier, parts: dict[str, ImageDataset], settings: ClassifierSettings
) -> dict[str, Any]:
    samples = {
        split: {"samples": len(images), "sha256": images.fingerprint}
        for split, images in parts.items()
    }
    return provenance(
        data={"name": parts["train"].name, **samples},
        accuracy={split: _accuracy(classifier, images) for split, images in parts.items()},
        **settings.model_dump(exclude={"device"}),
        device=device_of(classifier).type,
        threads=torch.get_num_threads(),
    )


@torch.no_grad()
def _accuracy(classifier: Classifier, images: ImageDataset) -> float:
    device, places = device_of(classifier), np.arange(len(images))
    parts = np.array_split(places, math.ceil(len(images) / _BATCH))
    found = [classifier(_batch(images, part).to(device)).argmax(1).cpu() for part in parts]
    return float(np.mean(torch.cat(found).numpy() == _labels(images)))


def _labels(images: ImageDataset) -> NDArray[np.int64]:
    if images.labels is None:
        raise InputError(
            f"data {images.name!r} have no labels in the split {images.split!r}, which a "
            "classifier learns from; use data with labels"
        )
    return images.labels


def _count_classes(parts: dict[str, ImageDataset]) -> int:
    count = 1 + max(int(_labels(images).max()) for images in parts.values())
    if count < 2:
        raise InputError(
            f"data {parts['train'].name!r} have {count} class, a classifier needs at least 2; "
            "use data with more"
        )
    return count


def _check_finite(loss: float, epoch: int, settings: ClassifierSettings) -> None:
    if not math.isfinite(loss):
        raise TrainingDivergedError(
            f"training diverged: the loss is {loss} in epoch {epoch + 1}; nothing was written; try "
            f"a learning rate below {settings.learning_rate:g}"
        )
