"""Street View House Numbers, cropped digits."""

from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from latentgeo.datasets.download import RemoteFile, fetch
from latentgeo.datasets.splits import Labels, Pixels, hold_out
from latentgeo.errors import InputError
from latentgeo.foreign.room import check_room

_MIRRORS = ("http://ufldl.stanford.edu/housenumbers/",)

#: Published part → file.
FILES = {
    "train": RemoteFile(
        "train_32x32.mat",
        182_040_794,
        "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
        _MIRRORS,
    ),
    "test": RemoteFile(
        "test_32x32.mat",
        64_275_384,
        "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
        _MIRRORS,
    ),
}

_COPIES = 2  # as the file has them, and with the images first
_ZERO = 10  # the files write the digit 0 as 10, as MATLAB counts from 1


def read_svhn(folder: Path, split: str, size: int | None) -> tuple[Pixels, Labels]:
    """Read SVHN; "validation" is the last 5,000 of the 73,257 training images.

    Parameters
    ----------
    folder : pathlib.Path
        Where train_32x32.mat and test_32x32.mat lie, or are downloaded to; they may lie beside it.
    split : str
        "train" (68,257), "validation" (5,000) or "test" (26,032).
    size : int or None
        Not used: `load` resizes.

    Returns
    -------
    images : numpy.ndarray
        Shape (n, 3, 32, 32), uint8.
    labels : numpy.ndarray
        Shape (n,), int64: the digit, 0 to 9.
    """
    file = FILES["test" if split == "test" else "train"]
    beside = folder.parent  # torchvision leaves files in the folder that it is given
    path = fetch(file, folder, [place / file.name for place in (beside, beside / "SVHN")])
    pixels, classes = _variables(path)
    images = np.ascontiguousarray(pixels.transpose(3, 2, 0, 1))
    labels = classes.ravel().astype(np.int64) % _ZERO
    return (images, labels) if split == "test" else hold_out(images, labels, split)


def _variables(path: Path) -> tuple[Pixels, Any]:
    """Read X (32, 32, 3, n) and y (n, 1)."""
    content = _content(path)
    pixels, classes = content.get("X"), content.get("y")
    if pixels is None or classes is None:
        raise InputError(f"{str(path)!r} lacks X or y: expected SVHN's cropped digits")
    n = pixels.shape[-1]
    if pixels.shape != (32, 32, 3, n) or pixels.dtype != np.uint8 or classes.shape != (n, 1):
        raise InputError(
            f"{str(path)!r} holds X of shape {pixels.shape} and dtype {pixels.dtype}, and y of "
            f"shape {classes.shape}: expected (32, 32, 3, n) in uint8, and (n, 1)"
        )
    if not np.isin(classes, np.arange(1, _ZERO + 1)).all():
        raise InputError(f"{str(path)!r} holds other classes than 1 to {_ZERO}; download it again")
    return pixels, classes


def _content(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat, whosmat  # slow to import, and nothing else needs it
    from scipy.io.matlab import MatReadError

    try:
        stated = [prod(shape) for _, shape, _ in whosmat(path)]
        check_room(path, _COPIES * sum(stated), path.stat().st_size)
        content: dict[str, Any] = loadmat(path, variable_names=["X", "y"])
    except InputError:
        raise
    except (OSError, ValueError, TypeError, NotImplementedError, MatReadError) as error:
        raise InputError(
            f"{str(path)!r} cannot be read ({error}): expected a MATLAB 5 file; download it again"
        ) from error
    return content
