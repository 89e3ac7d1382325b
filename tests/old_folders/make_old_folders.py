"""Make an archive of a run, its latents and its analysis, as the code on the path writes them.

Every state of the project that others may have results of is kept here, and read by all later ones.
With the code of that state on the path, and its version and commit as a name::

    cd tests/old_folders; PYTHONPATH=OLD python make_old_folders.py 0.1.0-709518a.tar.xz

No data set is needed: the images are drawn here. Figures and reports are left out.
"""

import sys
import tarfile
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np

from latentgeo.datasets import ImageDataset

RUN = {"recipe": "vae", "backbone": "mlp", "options": {"hidden": (12,), "latent_dim": 3}}
SETTINGS = {**RUN, "epochs": 3, "batch_size": 16, "learning_rate": 1e-2, "device": "cpu"}
SWEEP = {"samples": 12, "noise": (0.0, 0.3)}


class StopError(Exception):
    """Interrupts a run."""


def make_images(count=80, seed=0):
    """Return images of 8 × 8 pixels: bright rectangles, lying or standing."""
    rng = np.random.default_rng(seed)
    images = np.zeros((count, 1, 8, 8), np.uint8)
    labels = np.arange(count) % 2
    for image, standing in zip(images, labels, strict=True):
        top, left = rng.integers(0, 3, 2)
        rows, columns = (5, 2) if standing else (2, 5)
        image[0, top : top + rows, left : left + columns] = rng.integers(120, 250)
    return ImageDataset.from_array(images, labels=labels, name="rectangles")


def interrupt(model, epoch):
    """Raise after the second epoch."""
    if epoch == 2:
        raise StopError


def write_folders(out):
    """Write an interrupted run, latents and the analysis of its model."""
    from latentgeo.latents import encode
    from latentgeo.pipeline import analyze
    from latentgeo.training import train

    with suppress(StopError):
        train(data=make_images(), out=out / "run", on_epoch=interrupt, **SETTINGS)
    images = make_images(12, seed=1)
    encode(out / "run", images, out=out / "latents", device="cpu", **SWEEP)
    shown = {"data": images, "out": out / "analysis", **SWEEP}
    try:
        analyze({"vae": out / "run"}, tsne_seeds=(), **shown)
    except (TypeError, ValueError):  # maps had another name until 27 November 2026
        analyze({"vae": out / "run"}, tsne=False, **shown)


def pack(folder, archive):
    """Write the files that are read again into an archive."""
    with tarfile.open(archive, "w:xz") as packed:
        for part in ("run", "latents", "analysis/summary.json", "analysis/analysis.zarr"):
            packed.add(folder / part, part, filter=_without_owner)


def _without_owner(entry):
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        write_folders(Path(temporary))
        pack(Path(temporary), Path(sys.argv[1]))
