"""Image files, read with Pillow."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, NamedTuple, TypeVar

import numpy as np
from PIL import ExifTags, Image, ImageOps
from tqdm import tqdm

from latentgeo.datasets.splits import Pixels
from latentgeo.errors import InputError
from latentgeo.foreign.stand_ins import describe_stand_in

_MOST_THREADS = 8
_UPRIGHT = 1
_ON_ITS_SIDE = range(5, 9)  # EXIF's orientations that exchange rows and columns

_GREY = frozenset({"1", "L", "LA", "La"})
_COLOUR = frozenset({"RGB", "RGBA", "RGBa", "RGBX", "P", "PA", "CMYK", "YCbCr", "HSV"})

T = TypeVar("T")


class Head(NamedTuple):
    """What a file says of its image before the pixels are read.

    Attributes
    ----------
    width, height : int
        In pixels, as it is shown upright.
    grey : bool
        Whether it has no colours; a palette of greys has none.
    notes : tuple of str
        What is to be said of it, in words that follow "files".
    """

    width: int
    height: int
    grey: bool
    notes: tuple[str, ...] = ()


def decode(source: Path | IO[bytes], name: str, use: Callable[[Image.Image], T]) -> T:
    """Open an image file and let `use` work on it.

    Parameters
    ----------
    source : pathlib.Path or binary file
        The image file.
    name : str
        How messages call it.
    use : callable
        Takes the opened `PIL.Image.Image`.

    Returns
    -------
    object
        What `use` returns.

    Raises
    ------
    InputError
        When the file cannot be read as an image; an `InputError` of `use` passes through.
    """
    try:
        with Image.open(source) as image:
            return use(image)
    except InputError:
        raise
    except Exception as error:  # decoders of damaged files raise many kinds
        if isinstance(source, Path) and source.is_file() and (found := describe_stand_in(source)):
            raise InputError(f"{name!r} is no image but {found}") from error
        raise InputError(
            f"{name!r} cannot be read as an image ({error}); repair it or remove it, or skip what "
            "cannot be read (--skip-unreadable)"
        ) from error


def read_head(image: Image.Image, name: str) -> Head:
    """Return what an opened image says of itself; raises `InputError` for deeper pixels."""
    # Pillow turns deeper pixels to white when it makes them 8 bits deep.
    if image.mode not in _GREY | _COLOUR:
        raise InputError(
            f"{name!r} has pixels of mode {image.mode!r}: expected 8 bits a channel, grey or RGB; "
            "convert it first"
        )
    width, height = image.size
    if _orientation(image) in _ON_ITS_SIDE:
        width, height = height, width
    notes = []
    if getattr(image, "n_frames", 1) > 1:
        notes.append("hold several pages or frames, of which the first is taken")
    if image.mode in ("P", "PA"):
        notes.append("are coded by a palette, whose colours (or greys) are taken")
    return Head(width, height, image.mode in _GREY or _has_grey_palette(image), tuple(notes))


def pixels_of(image: Image.Image, shape: tuple[int, int], mode: str) -> Pixels:
    """Return an image upright as (C, H, W): its central square, resized where sizes differ.

    Parameters
    ----------
    image : PIL.Image.Image
        The image.
    shape : tuple of int
        (height, width) that it shall have.
    mode : {"L", "RGB"}
        Grey or colour.
    """
    height, width = shape
    upright = image if _orientation(image) == _UPRIGHT else ImageOps.exif_transpose(image)
    plain = upright.convert(mode)
    if plain.size != (width, height):
        square = central_square(plain, min(plain.size))
        plain = square.resize((width, height), Image.Resampling.BILINEAR)
    return np.atleast_3d(np.asarray(plain)).transpose(2, 0, 1)


def central_square(image: Image.Image, side: int) -> Image.Image:
    """Cut the central `side` by `side` pixels out of an image."""
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def in_parallel(do: Callable[[int], None], n: int, what: str) -> None:
    """Call `do(0)` to `do(n - 1)` on a few threads, with a progress bar.

    Pillow decodes outside the interpreter's lock. The first failure is raised and stops the
    rest.
    """
    threads = min(_MOST_THREADS, os.cpu_count() or 1)
    pool = ThreadPoolExecutor(threads)
    try:
        results = pool.map(do, range(n))
        # disable=None: no bar where the output is not a terminal.
        for _ in tqdm(results, what, total=n, unit="image", leave=False, disable=None):
            pass
    finally:
        pool.shutdown(cancel_futures=True)


def _orientation(image: Image.Image) -> int:
    """Return EXIF's orientation; upright where the EXIF data are broken, as viewers do."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, _UPRIGHT))
    except Exception:  # as above
        return _UPRIGHT


def _has_grey_palette(image: Image.Image) -> bool:
    palette = image.getpalette("RGB") if image.mode in ("P", "PA") else None
    if not palette:
        return False
    colours = np.array(palette).reshape(-1, 3)
    return bool((colours == colours[:, :1]).all())
