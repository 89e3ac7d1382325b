"""Any folder of images."""

import os
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from PIL import Image

from latentgeo.datasets.decoding import central_square, decode, in_parallel
from latentgeo.datasets.splits import SPLITS, Labels, Pixels, split_of_name
from latentgeo.errors import InputError

SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)

_GREY = frozenset({"1", "L", "LA", "La"})
_COLOUR = frozenset({"RGB", "RGBA", "RGBa", "RGBX", "P", "PA", "CMYK", "YCbCr", "HSV", "LAB"})


class _Head(NamedTuple):
    """What a file says of its image before the pixels are read."""

    width: int
    height: int
    grey: bool


class _Member(NamedTuple):
    """An image file: where it lies, and what its place says of it."""

    path: PurePosixPath
    split: str
    class_name: str | None


def read_folder(
    folder: Path, split: str, size: int | None
) -> tuple[Pixels, Labels, tuple[str, ...]]:
    """Read all images below a folder that belong to a split.

    Subfolders are classes. Each image belongs to "train" (8 of 10), "validation" or "test" by a
    hash of its path below the folder, so it keeps its split when others come or go. A folder
    that has `train` and `test` of its own (and `validation`) is taken as it is parted.

    Parameters
    ----------
    folder : pathlib.Path
        The folder; it is searched through all levels. Hidden files are left out.
    split : str
        "train", "validation" or "test".
    size : int or None
        Cut the central square and resize it to so many pixels (bilinear, antialiased); by
        default images are taken as they are, and must all have one size.

    Returns
    -------
    images : numpy.ndarray
        Shape (n, C, H, W), uint8, in the order of their paths. C is 1 when all images of the
        folder are grey, else 3. Transparency is dropped.
    labels : numpy.ndarray or None
        Shape (n,), int64; None when an image lies outside all subfolders.
    class_names : tuple of str
        The subfolders, sorted.

    Raises
    ------
    InputError
        When there is no image, none in the split, one cannot be read, or sizes differ.
    """
    members = _members(folder)
    chosen = [member for member in members if member.split == split]
    if not chosen:
        raise _nothing_in(folder, split, members)
    shape, mode = _common_format(folder, members, size)
    images = _read_all(folder, chosen, shape, mode)
    labels, class_names = _classes(chosen, members)
    return images, labels, class_names


def split_of(path: PurePosixPath) -> str:
    """Return the split of an image from its path below the folder."""
    return split_of_name(path.as_posix())


def _members(folder: Path) -> list[_Member]:
    paths = _image_paths(folder)
    if not paths:
        raise InputError(
            f"folder {str(folder)!r} holds no images: expected files that end in "
            f"{', '.join(sorted(SUFFIXES))}"
        )
    if (folder / "train").is_dir() and (folder / "test").is_dir():
        return [
            _Member(path, path.parts[0], _class_name(path.parts[1:]))
            for path in paths
            if path.parts[0] in SPLITS
        ]
    return [_Member(path, split_of(path), _class_name(path.parts)) for path in paths]


def _class_name(parts: tuple[str, ...]) -> str | None:
    return parts[0] if len(parts) > 1 else None


def _image_paths(folder: Path) -> list[PurePosixPath]:
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = Path(place).relative_to(folder)
        found += [
            PurePosixPath((below / name).as_posix())
            for name in files
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
        ]
    return sorted(found)


def _nothing_in(folder: Path, split: str, members: list[_Member]) -> InputError:
    count = Counter(member.split for member in members)
    parted = ", ".join(f"{name} {count[name]}" for name in SPLITS)
    return InputError(
        f"split {split!r} of folder {str(folder)!r} is empty ({parted}): a hash of each file's "
        "name splits them; add images, or split them yourself into the subfolders train, "
        "validation and test"
    )


def _common_format(
    folder: Path, members: list[_Member], size: int | None
) -> tuple[tuple[int, int], str]:
    """Find (height, width) and Pillow's mode for all images of the folder, whatever the split."""
    heads = [_head(folder / member.path) for member in members]
    mode = "L" if all(head.grey for head in heads) else "RGB"
    if size is not None:
        return (size, size), mode
    for member, head in zip(members, heads, strict=True):
        if head[:2] != heads[0][:2]:
            raise InputError(
                f"images of folder {str(folder)!r} differ in size: {str(members[0].path)!r} has "
                f"{heads[0].width} by {heads[0].height} pixels, {str(member.path)!r} "
                f"{head.width} by {head.height}; give a size to resize them to (such as size=32)"
            )
    return (heads[0].height, heads[0].width), mode


def _head(path: Path) -> _Head:
    return decode(path, str(path), lambda image: _read_head(image, path))


def _read_head(image: Image.Image, path: Path) -> _Head:
    # Pillow turns deeper pixels to white when it makes them 8 bits deep.
    if image.mode not in _GREY | _COLOUR:
        raise InputError(
            f"{str(path)!r} has pixels of mode {image.mode!r}: expected 8 bits a channel; "
            "convert it first"
        )
    return _Head(image.width, image.height, image.mode in _GREY)


def _read_all(folder: Path, chosen: list[_Member], shape: tuple[int, int], mode: str) -> Pixels:
    images = np.empty((len(chosen), Image.getmodebands(mode), *shape), np.uint8)

    def fill(position: int) -> None:
        path = folder / chosen[position].path
        images[position] = decode(path, str(path), lambda image: _pixels(image, shape, mode))

    in_parallel(fill, len(chosen), folder.name)
    return images


def _pixels(image: Image.Image, shape: tuple[int, int], mode: str) -> Pixels:
    height, width = shape
    plain = image.convert(mode)
    if plain.size != (width, height):
        square = central_square(plain, min(plain.size))
        plain = square.resize((width, height), Image.Resampling.BILINEAR)
    return np.atleast_3d(np.asarray(plain)).transpose(2, 0, 1)


def _classes(chosen: list[_Member], members: list[_Member]) -> tuple[Labels, tuple[str, ...]]:
    names = {member.class_name for member in members}
    if None in names:
        return None, ()
    classes = tuple(sorted(str(name) for name in names))
    position = {name: place for place, name in enumerate(classes)}
    return np.array([position[str(member.class_name)] for member in chosen], np.int64), classes
