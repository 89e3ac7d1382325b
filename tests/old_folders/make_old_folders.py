"""Make `0.1.0-709518a.tar.xz`: a run and an analysis as an older version wrote them.

That version is commit 709518a. It called diagnostics "trouble", did not annotate the variables of
an analysis with their readouts, and knew fewer settings. With its code on the path::

    PYTHONPATH=OLD python tests/old_folders/make_old_folders.py tests/old_folders

No data set is needed: the images are drawn here. Figures and reports are left out.
"""

import sys
import tarfile
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np

from latentgeo.datasets import ImageDataset

ARCHIVE = "0.1.0-709518a.tar.xz"
RUN = {"recipe": "vae", "backbone": "mlp", "options": {"hidden": (12,), "latent_dim": 3}}
SETTINGS = {**RUN, "epochs": 3, "batch_size": 16, "learning_rate": 1e-2, "device": "cpu"}


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
    """Write an interrupted run and the analysis of its model."""
    from latentgeo.pipeline import analyze
    from latentgeo.training import train

    with suppress(StopError):
        train(data=make_images(), out=out / "run", on_epoch=interrupt, **SETTINGS)
    analyze(
        {"vae": out / "run"},
        data=make_images(12, seed=1),
        samples=12,
        noise=(0.0, 0.3),
        tsne=False,
        out=out / "analysis",
    )


def pack(folder, archive):
    """Write the files that are read again into an archive."""
    with tarfile.open(archive, "w:xz") as packed:
        for part in ("run", "analysis/summary.json", "analysis/analysis.zarr"):
            packed.add(folder / part, part, filter=_without_owner)


def _without_owner(entry):
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        write_folders(Path(temporary))
        pack(Path(temporary), Path(sys.argv[1]) / ARCHIVE)
