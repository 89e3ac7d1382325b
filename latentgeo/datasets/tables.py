"""Images as rows of a table, as Kaggle has MNIST: a label, then the pixels of a grey square."""

import re
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentgeo.datasets.arrays import WHOLE, source_of
from latentgeo.datasets.columns import are_pixels
from latentgeo.datasets.sources import ImageSource
from latentgeo.datasets.splits import split_named
from latentgeo.errors import InputError, reason_of
from latentgeo.foreign.room import check_room

SUFFIX = ".csv"

_LABEL = "label"
_LONGEST = 1 << 20


def find_tables(path: Path) -> dict[str, Path]:
    """Return the tables of images that a path is, or that lie in a folder, by their splits.

    Parameters
    ----------
    path : pathlib.Path
        A .csv file, or a folder with one for each split, whose names tell: mnist_train.csv.

    Returns
    -------
    dict of str to pathlib.Path
        Empty where there are none; the split of a file alone is "".
    """
    if path.is_file():
        return {WHOLE: path} if _is_table(path) else {}
    if not path.is_dir():
        return {}
    tables = [one for one in sorted(path.glob(f"*{SUFFIX}")) if _is_table(one)]
    found = {_split_of(one): one for one in tables}
    return found if len(found) == len(tables) else {}


def read_tables(tables: dict[str, Path], name: str) -> ImageSource:
    """Read tables of images, by their splits.

    Parameters
    ----------
    tables : dict of str to pathlib.Path
        From `find_tables`.
    name : str
        What results call them.

    Raises
    ------
    InputError
        When a file cannot be read, or holds other numbers than 0 to 255.
    """
    return source_of({split: _read(path) for split, path in tables.items()}, name)


def frame_source(frame: Any, name: str = "user") -> ImageSource:
    """Take a table of pandas with a column for each pixel.

    Parameters
    ----------
    frame : pandas.DataFrame
        As `pixels_of_frame` takes it.
    name : str
        What results call it.

    Raises
    ------
    InputError
        As that does, and when there is another number of columns.
    """
    if not are_pixels(list(frame.columns)):
        raise InputError(
            f"data are a table of {len(frame.columns)} columns; expected one for each pixel of a "
            "grey square of 8 by 8 or more, and it may be 'label'; of a column that holds images "
            "give (numpy.stack(table['image']), table['label'])"
        )
    return source_of({WHOLE: pixels_of_frame(frame, name)}, name)


def _is_table(path: Path) -> bool:
    if path.suffix.lower() != SUFFIX:
        return False
    with path.open("rb") as stream:
        columns = stream.readline(_LONGEST).decode("utf-8", "replace").split(",")
    return are_pixels([column.strip(' "\r\n') for column in columns])


def _split_of(path: Path) -> str:
    words = re.split(r"[^a-z]+", path.stem.lower())
    return next((split for word in words if (split := split_named(word))), WHOLE)


def _read(path: Path) -> tuple[NDArray[Any], Any]:
    import pandas  # slow to import, and nothing else here needs it

    check_room(path, path.stat().st_size, path.stat().st_size)
    try:
        frame = pandas.read_csv(path)
    except (ValueError, OSError) as error:  # pandas' own are kinds of ValueError
        raise InputError(
            f"{str(path)!r} cannot be read as a table of pixels: {reason_of(error)}"
        ) from None
    return pixels_of_frame(frame, str(path))


def pixels_of_frame(frame: Any, name: str) -> tuple[NDArray[Any], Any]:
    """Return the images and the labels of a table with a column for each pixel.

    Parameters
    ----------
    frame : pandas.DataFrame
        "label", where there is one, and as many columns as a square has pixels.
    name : str
        What messages call it.

    Returns
    -------
    tuple of numpy.ndarray and numpy.ndarray or None
        (n, side, side), uint8 or floating point; (n,).

    Raises
    ------
    InputError
        When it has no rows, or holds other numbers than 0 to 255, or floating point in [0, 1].
    """
    if frame.empty:
        raise InputError(f"{name!r} holds no rows; expected one for each image")
    label = next((column for column in frame if str(column).lower() == _LABEL), None)
    labels = None if label is None else frame[label].to_numpy()
    values = frame.drop(columns=[] if label is None else [label]).to_numpy()
    side = isqrt(values.shape[1])
    images: NDArray[Any] = values.reshape(-1, side, side)
    if values.dtype.kind == "f":
        return images, labels
    if values.dtype.kind not in "iu" or not 0 <= values.min() <= values.max() < 256:
        raise InputError(
            f"{name!r} holds other values than pixels: expected whole numbers from 0 to 255, "
            "a row for each image, below a line of names"
        )
    return images.astype(np.uint8), labels
