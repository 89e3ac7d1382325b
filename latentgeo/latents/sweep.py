"""Run a model over a data set under a sweep of perturbations."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentgeo import processes
from latentgeo.checkpoints import (
    check_is_checkpoint,
    open_checkpoint,
    sized,
    stated_shape,
    warn_of_repeats,
)
from latentgeo.datasets import (
    ImageDataset,
    Perturbation,
    SentenceDataset,
    find_perturbation,
    seeded_normal,
    without_shortage,
)
from latentgeo.datasets import load as load_images
from latentgeo.errors import InputError
from latentgeo.files import check_free, kept
from latentgeo.latents.store import LatentStore, open_store
from latentgeo.lazy import xr
from latentgeo.metrics import psnr
from latentgeo.models import Autoencoder, LatentShape, choose_device, dtype_of
from latentgeo.progress import track
from latentgeo.provenance import provenance
from latentgeo.settings import EncodingSettings, resolve
from latentgeo.threads import side_by_side

_POSITIONS = {2: ("position",), 3: ("row", "column"), 4: ("depth", "row", "column")}
_LEAST_PASS = 8
_POSTERIOR = 1  # the stream of these draws, apart from the perturbations'


class Sweep(NamedTuple):
    """A perturbation, its levels and the seed of its draws."""

    perturbation: Perturbation
    levels: tuple[float, ...]
    seed: int

    def images(self, clean: Tensor, indices: NDArray[np.int64]) -> Iterator[Tensor]:
        """Return the images (b, C, H, W) at each level; one draw per image serves all levels."""
        draw = self.perturbation.draw(tuple(clean.shape[1:]), seed=self.seed, indices=indices)
        for level in self.levels:
            yield self.perturbation.apply(clean, draw, level)


def encode(
    model: Autoencoder | str | Path,
    data: Any,
    *,
    out: str | Path | None = None,
    settings: EncodingSettings | None = None,
    batch_size: int = 128,
    device: str = "auto",
    force: bool = False,
    progress: bool = False,
    **choices: Any,
) -> xr.Dataset:
    """Encode images at every level of a perturbation.

    Images are encoded and written batch by batch, so memory does not grow with their number.
    With `out`, an encoding that was interrupted goes on where it stopped; where `torchrun` started
    several processes, all have to call it, and each encodes its share into that folder.

    Parameters
    ----------
    model : Autoencoder, str or pathlib.Path
        A model, or the checkpoint of one; `open_checkpoint` gives models that need more than
        their path to be opened.
    data : str, pathlib.Path or object
        Images: a data set's name, a folder, a file, or an object that holds them, whatever
        `latentgeo.datasets.load` takes. `split` chooses which.
    out : str or pathlib.Path, optional
        A zarr folder; in memory if left out.
    settings : EncodingSettings, optional
        What decides the latents; the defaults if left out. All draws are seeded per image: the
        same image meets the same noise in every model and every batch.
    batch_size : int, default=128
        Images per pass.
    device : str, default="auto"
        "auto", "cpu" or "cuda".
    force : bool, default=False
        Overwrite latents of another encoding.
    progress : bool, default=False
        Show a bar.
    **choices
        Fields of `EncodingSettings`, before those of `settings`: `noise`, `perturbation`,
        `split`, `samples`, `draws`, `seed`, `size`, `skip_unreadable`.

    Returns
    -------
    xarray.Dataset
        `mean` (noise, sample, channel, row, column), float32: the latent, or the posterior's
        mean; where the posterior is stochastic `log_variance`, of the same dimensions, and
        `sampled` (draw, noise, sample, channel, row, column); where the model decodes `psnr`
        (noise, sample) in dB, the decoded mean against the clean image as the model's net sees
        it; `label` (sample) where the data has labels, `file` where its images have names.
        Provenance is in the attributes.

    Raises
    ------
    InputError
        When the images do not fit the model, levels or counts make no sense, the model gives
        values that are not finite, or `out` holds something else.

    Examples
    --------
    >>> import latentgeo
    >>> latents = latentgeo.encode("runs/cae", data="digits", samples=10, noise=[0, 0.1])
    >>> dict(latents["mean"].sizes)
    {'noise': 2, 'sample': 10, 'channel': 4, 'row': 1, 'column': 1}
    """
    check_is_checkpoint(model)
    chosen = sized(resolve(EncodingSettings, settings, choices, of=encode), data, [model])
    sweep = make_sweep(chosen)
    processes.join()
    target = None if out is None else Path(out)
    with processes.held_by_rank_zero(lambda: kept(target)):
        if out is not None and force:
            check_free(Path(out), holds="latents", force=True, reads=(model, data))
        with processes.machine_by_machine():
            images = select_images(data, chosen)
        autoencoder = (
            model
            if isinstance(model, Autoencoder)
            else open_checkpoint(model, image_shape=stated_shape(model) or images.shape)
        )
        check_fit(autoencoder, images)
        warn_of_repeats(autoencoder)
        if batch_size < 1:
            raise InputError(f"batch_size is {batch_size}, expected at least 1")
        place = choose_device(device)
        autoencoder.eval().on(place)
        opened = partial(_open, autoencoder, images, chosen, out, batch_size)

        def fill(store: LatentStore, missing: Sequence[int]) -> None:
            for start in track(missing, "encode", show=progress):
                here = np.arange(start, min(start + store.batch_size, store.samples))
                store.write(
                    start, _encode_batch(autoencoder, images, here, sweep, chosen.draws, place)
                )

        if out is None or processes.count() == 1:
            store = opened(force)
            fill(store, store.missing())
            return store.dataset() if out is not None else store.dataset().load()
        # The first process makes the store, and says what is missing before anything is written.
        missing = processes.on_rank_zero(lambda: opened(force).missing())
        processes.check_visible(Path(out), "choose one that all machines share")
        store = opened(False)
        processes.do_own(lambda: fill(store, processes.share(missing)))
        return store.dataset()


def select_images(data: Any, settings: EncodingSettings) -> ImageDataset:
    """Load the images and choose some of them; takes and raises what `encode` does."""
    asked = "samples" in settings.model_fields_set
    with nullcontext() if asked else without_shortage():
        return load_images(
            data,
            settings.split,
            size=settings.size,
            samples=settings.samples,
            seed=settings.seed,
            skip_unreadable=settings.skip_unreadable,
        )


def choose_images(samples: int, wanted: int, seed: int) -> NDArray[np.int64]:
    """Choose some images by the seed, in their order; all where there are no more than wanted."""
    return np.sort(np.random.default_rng(seed).permutation(samples)[:wanted])


def check_fit(model: Autoencoder, images: ImageDataset) -> None:
    """Raise `InputError` unless the model takes images of this shape and sentences of its words."""
    expected = tuple(model.config.image_shape)
    if tuple(images.shape) != expected:
        raise InputError(
            f"data {images.name!r} has images of shape {tuple(images.shape)} (channels, rows, "
            f"columns), the model takes {expected}; choose data of that shape, or give size "
            f"(--size {expected[1]}) if only rows and columns differ"
        )
    words = images.vocabulary if isinstance(images, SentenceDataset) else ()
    if model.config.vocabulary and model.config.vocabulary != words:
        raise InputError(
            f"data {images.name!r} do not have the vocabulary of the model; use the text that it "
            "was trained on, or in Python SentenceDataset.from_sentences(..., "
            "vocabulary=model.config.vocabulary)"
        )


def make_sweep(settings: EncodingSettings) -> Sweep:
    """Check the levels; raises what `encode` does."""
    noise = settings.noise
    if len(noise) == 0:
        raise InputError("noise holds no level; expected at least one, as in 0,0.1")
    if len(set(noise)) != len(noise):
        raise InputError(f"noise {list(noise)} repeats a level; give each once")
    kind = find_perturbation(settings.perturbation)
    for level in noise:
        kind.check_level(level)
    return Sweep(kind, noise, settings.seed)


def axis_names(order: int) -> tuple[str, ...]:
    """Return the names of the axes of latents of an order, the channels first."""
    return "channel", *_POSITIONS.get(order, [f"axis_{axis}" for axis in range(2, order + 1)])


def split_parts(latents: xr.Dataset, parts: Mapping[str, LatentShape]) -> dict[str, xr.Dataset]:
    """Return each layer its own latents, where several were encoded in one pass.

    Parameters
    ----------
    latents : xarray.Dataset
        From `encode`, of a model with `parts`.
    parts : mapping of str to tuple of int
        Name and shape (C, ...) of each layer, in the order in which they lie side by side.

    Returns
    -------
    dict of str to xarray.Dataset
        The layers by name, each with `mean` of its own shape.
    """
    stops = np.cumsum([int(np.prod(shape)) for shape in parts.values()])
    flat = latents["mean"].values[..., 0, 0]
    return {
        name: latents.drop_vars("mean").assign(
            mean=(
                ("noise", "sample", *axis_names(len(shape))),
                values.reshape(*values.shape[:-1], *shape),
            )
        )
        for (name, shape), values in zip(
            parts.items(), np.split(flat, stops[:-1], axis=-1), strict=True
        )
    }


def _open(
    model: Autoencoder,
    images: ImageDataset,
    settings: EncodingSettings,
    out: str | Path | None,
    batch_size: int,
    force: bool,
) -> LatentStore:
    axes = (
        ("noise", len(settings.noise)),
        ("sample", len(images)),
        *zip(axis_names(len(model.latent_shape)), model.latent_shape, strict=True),
    )
    shapes: dict[str, tuple[tuple[str, int], ...]] = {"mean": axes}
    if model.decodes:
        shapes["psnr"] = axes[:2]
    if model.stochastic:
        shapes |= {"log_variance": axes, "sampled": (("draw", settings.draws), *axes)}
    identity = {
        "weights_sha256": model.weights_sha256(),
        "data": images.name,
        "data_sha256": images.fingerprint,
        "perturbation": settings.perturbation,
        "noise": list(settings.noise),
        "draws": settings.draws if model.stochastic else 0,
        "seed": settings.seed,
        "dtype": dtype_of(model),
        **model.identity,
    }
    return open_store(
        None if out is None else Path(out),
        identity,
        _coordinates(model, images, settings, identity),
        shapes,
        batch_size=batch_size,
        force=force,
    )


def _coordinates(
    model: Autoencoder,
    images: ImageDataset,
    settings: EncodingSettings,
    identity: dict[str, Any],
) -> xr.Dataset:
    recorded = settings.model_dump(mode="json", include=set(EncodingSettings.model_fields))
    dataset = xr.Dataset(
        coords={"noise": np.asarray(settings.noise), "sample": images.indices},
        attrs={
            "recipe": model.config.recipe,
            "backbone": model.config.backbone,
            "stochastic": int(model.stochastic),
            "source_dtype": identity["dtype"],
            "provenance": json.dumps(
                provenance(
                    **identity,
                    split=images.split,
                    skipped=list(images.skipped),
                    settings=recorded,
                )
            ),
        },
    )
    if images.files:
        dataset = dataset.assign_coords(file=("sample", np.array(images.files, dtype=object)))
    if images.labels is not None:
        dataset["label"] = ("sample", images.labels)
    return dataset


def _encode_batch(
    model: Autoencoder,
    images: ImageDataset,
    chosen: NDArray[np.int64],
    sweep: Sweep,
    draws: int,
    device: torch.device,
) -> dict[str, NDArray[np.float32]]:
    clean, original = images.batch(chosen), images.indices[chosen]
    encode = partial(_encode_together, model, sweep, draws, device)
    count = _passes_at_once(model, len(chosen), device)
    if count == 1:
        return encode(clean, original)
    ends = np.linspace(0, len(chosen), count + 1).astype(int)
    parts = side_by_side(
        lambda some: encode(clean[some], original[some]), map(slice, ends[:-1], ends[1:]), count
    )
    return {
        name: np.concatenate([part[name] for part in parts], axis=1 + int(name == "sampled"))
        for name in parts[0]
    }


def _passes_at_once(model: Autoencoder, images: int, device: torch.device) -> int:
    """Say into how many passes, each on one thread, to cut a batch: a fifth less time on a CPU.

    Networks of others may keep what they saw, and are called once at a time.
    """
    if device.type != "cpu" or model.identity:
        return 1
    return max(1, min(torch.get_num_threads(), images // _LEAST_PASS))


@torch.no_grad()
def _encode_together(
    model: Autoencoder,
    sweep: Sweep,
    draws: int,
    device: torch.device,
    clean: Tensor,
    original: NDArray[np.int64],
) -> dict[str, NDArray[np.float32]]:
    epsilon = _epsilon(model, draws, sweep.seed, original).to(device)
    target = model.target(clean)
    levels = []
    for level, perturbed in zip(sweep.levels, sweep.images(clean, original), strict=True):
        posterior = model.posterior(perturbed.to(device))
        _check_finite("latent", posterior.mean, level, original)
        found = {"mean": posterior.mean}
        if model.decodes:
            # Before it becomes an image: that cuts off what is infinite.
            decoded = model.decode_logits(posterior.mean)
            _check_finite("reconstruction", decoded, level, original)
            found["psnr"] = psnr(model.to_image(decoded).cpu(), target, data_range=1.0)
        if posterior.log_variance is not None:
            found["log_variance"] = posterior.log_variance
            found["sampled"] = posterior.mean + posterior.standard_deviation * epsilon
        levels.append({name: values.float().cpu().numpy() for name, values in found.items()})
    return {
        name: np.stack([level[name] for level in levels], axis=int(name == "sampled"))
        for name in levels[0]
    }


def _epsilon(model: Autoencoder, draws: int, seed: int, indices: NDArray[np.int64]) -> Tensor:
    """Draw the posterior's noise per image: (draws, b, C, ...), the same at every level."""
    if not model.stochastic:
        return torch.empty(0)
    shape = (draws, *model.latent_shape)
    return seeded_normal(shape, seed=seed, indices=indices, stream=_POSTERIOR).transpose(0, 1)


def _check_finite(what: str, values: Tensor, level: float, indices: NDArray[np.int64]) -> None:
    broken = ~torch.isfinite(values).flatten(1).all(dim=1)
    if broken.any():
        index = int(indices[int(broken.cpu().nonzero()[0, 0])])
        raise InputError(
            f"the {what} of image {index} at noise {level} is not finite (NaN or infinite); "
            "check the weights and the precision that the model was trained in"
        )
