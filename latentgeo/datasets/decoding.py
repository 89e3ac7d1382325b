"""Image files, read with Pillow."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TypeVar

from PIL import Image
from tqdm import tqdm

from latentgeo.errors import InputError

# What Pillow raises on a file that is not, or no longer, an image.
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)
_MOST_THREADS = 8

T = TypeVar("T")


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
    except _UNREADABLE as error:
        raise InputError(
            f"{name!r} cannot be read as an image ({error}); repair it or remove it"
        ) from error


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
