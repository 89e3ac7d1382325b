"""CelebA, aligned and cropped faces."""

import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from latentgeo.datasets.decoding import central_square, decode, in_parallel
from latentgeo.datasets.sources import check_memory
from latentgeo.datasets.splits import Labels, Pixels
from latentgeo.errors import InputError

SIDE = 64

_IMAGES = "img_align_celeba"
_PARTITION = "list_eval_partition.txt"
_PARTITIONS = (_PARTITION, "list_eval_partition.csv")  # as Kaggle has it
_PARTS = {"train": "0", "validation": "1", "test": "2"}
_ALIGNED = (178, 218)
_CROP = 148
_HOME = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"

Decoder = Callable[[str], Pixels]


def read_celeba(folder: Path, split: str, size: int | None) -> tuple[Pixels, Labels]:
    """Read CelebA's aligned faces: the central 148×148 pixels, resized.

    The publisher's hosts give no file to a program, so nothing is downloaded.

    Parameters
    ----------
    folder : pathlib.Path
        Holds list_eval_partition.txt (or .csv, as Kaggle has it), and img_align_celeba.zip or the
        folder img_align_celeba that lies in it, which may lie in another of that name.
    split : str
        "train" (162,770), "validation" (19,867) or "test" (19,962): the published partition.
    size : int or None
        Side in pixels, 64 by default.

    Returns
    -------
    images : numpy.ndarray
        Shape (n, 3, size, size), uint8, in the order of the partition file.
    labels : None
        Faces belong to no class.

    Raises
    ------
    InputError
        When a file is missing, with what to put where, or is not what it should be.
    """
    side = size or SIDE
    names = _names(folder, split)
    check_memory(len(names), (3, side, side), "celeba")
    for place in (folder / _IMAGES / _IMAGES, folder / _IMAGES):
        if place.is_dir():
            return _read_all(names, partial(_from_folder, place, side=side), side), None
    archive_path = folder / f"{_IMAGES}.zip"
    if not archive_path.is_file():
        raise _missing(folder, f"{_IMAGES}.zip")
    try:
        with zipfile.ZipFile(archive_path) as archive:
            return _read_all(names, lambda name: _from_zip(archive, name, side), side), None
    except (zipfile.BadZipFile, zlib.error, OSError) as error:
        raise InputError(
            f"{str(archive_path)!r} cannot be read ({error}); download it again"
        ) from error


def find_partition(folder: Path) -> Path | None:
    """Return the list of CelebA's parts in a folder; None if there is none."""
    return next((folder / name for name in _PARTITIONS if (folder / name).is_file()), None)


def _names(folder: Path, split: str) -> list[str]:
    """Read which files belong to the split: lines such as "000001.jpg 0"."""
    path = find_partition(folder)
    if path is None:
        raise _missing(folder, _PARTITION)
    lines = path.read_text(encoding="utf-8", errors="replace").replace(",", " ").splitlines()
    rows = [line.split() for line in lines if line.strip()]
    if rows and rows[0] == ["image_id", "partition"]:
        rows = rows[1:]
    for number, row in enumerate(rows, start=1):
        if len(row) != 2 or row[1] not in _PARTS.values() or Path(row[0]).name != row[0]:
            raise InputError(
                f"line {number} of {str(path)!r} is {' '.join(row)!r}: expected a file's name "
                "and 0, 1 or 2"
            )
    names = [name for name, part in rows if part == _PARTS[split]]
    if not names:
        raise InputError(f"{str(path)!r} puts no image into split {split!r}")
    return names


def _read_all(names: list[str], read: Decoder, side: int) -> Pixels:
    images = np.empty((len(names), 3, side, side), np.uint8)

    def fill(position: int) -> None:
        images[position] = read(names[position])

    in_parallel(fill, len(names), "celeba")
    return images


def _from_folder(folder: Path, name: str, *, side: int) -> Pixels:
    path = folder / name
    return decode(path, str(path), lambda image: _face(image, name, side))


def _from_zip(archive: zipfile.ZipFile, name: str, side: int) -> Pixels:
    member = f"{_IMAGES}/{name}"
    if member not in archive.NameToInfo:
        raise InputError(f"{archive.filename!r} lacks {member!r}; download it again")
    with archive.open(member) as stream:
        return decode(stream, member, lambda image: _face(image, name, side))


def _face(image: Image.Image, name: str, side: int) -> Pixels:
    if image.size != _ALIGNED:
        raise InputError(
            f"{name!r} has {image.width} by {image.height} pixels: expected the aligned images "
            f"of {_ALIGNED[0]} by {_ALIGNED[1]}"
        )
    face = central_square(image.convert("RGB"), _CROP)
    resized = face.resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(resized).transpose(2, 0, 1)


def _missing(folder: Path, name: str) -> InputError:
    return InputError(
        f"{str(folder / name)!r} is missing, and CelebA cannot be downloaded by a program: get "
        f"{_IMAGES}.zip and {_PARTITION} from {_HOME} and put both into {str(folder)!r} (or set "
        f"LATENTGEO_DATA to the folder that has celeba/)"
    )
