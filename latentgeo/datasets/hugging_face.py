"""Data sets of Hugging Face: in memory, saved to a folder, or as Parquet files."""

import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from math import isqrt
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentgeo.datasets.arrays import WHOLE, source_of
from latentgeo.datasets.columns import (
    Column,
    are_pixels,
    describe,
    image_column,
    inner,
    is_square,
    label_column,
)
from latentgeo.datasets.items import Item, gather, item_of
from latentgeo.datasets.sources import Found, ImageSource, check_memory
from latentgeo.datasets.splits import split_named
from latentgeo.datasets.tables import pixels_of_frame
from latentgeo.errors import InputError, reason_of

SUFFIX = ".parquet"

_SAVED = ("dataset_dict.json", "state.json")  # what save_to_disk leaves
_PART = re.compile(r"^(.+?)-\d{5}-of-\d{5}(-[0-9a-f]+)?$")
_NUMBER = 8  # bytes of one, at most


def is_saved(path: Path) -> bool:
    """Return whether a path is Parquet or a folder of it, or what `save_to_disk` left."""
    if not path.is_dir():
        return path.suffix.lower() == SUFFIX
    return any((path / name).is_file() for name in _SAVED) or bool(_parquet_in(path))


def is_loaded(data: Any) -> bool:
    """Return whether an object is a data set of Hugging Face, or a mapping of them by split."""
    one = next(iter(data.values()), None) if isinstance(data, Mapping) else data
    return hasattr(one, "features") and hasattr(one, "column_names") and hasattr(one, "select")


def read_hugging_face(path: Path, column: str = "") -> ImageSource:
    """Open a data set that lies on disk.

    Parameters
    ----------
    path : pathlib.Path
        A Parquet file, or a folder that holds them (as the hub lays them out, a file or more for
        each split, or a folder for each) or that `save_to_disk` left.
    column : str, optional
        The column of images, where there are several.

    Returns
    -------
    ImageSource

    Raises
    ------
    InputError
        When the package `datasets` is not installed, or the files cannot be read.
    """
    package = _package(path)
    try:
        if path.is_dir() and not _parquet_in(path):
            saved = package.load_from_disk(str(path))
            return hugging_face_source(saved, path.resolve().name, column)
        files = [path] if path.is_file() else _parquet_in(path)
        _check_rows(files, path)
        parts: dict[str, list[str]] = {}
        for file in files:
            parts.setdefault(_split_of(file, path), []).append(str(file))
        found = {
            split: package.load_dataset("parquet", data_files=held, split="train")
            for split, held in parts.items()
        }
        name = path.stem if path.is_file() else path.resolve().name
        return hugging_face_source(found, name, column)
    except InputError:
        raise
    except Exception as error:  # the package wraps those of several others
        raise InputError(
            f"{str(path)!r} cannot be read by the package datasets ({_cause_of(error)}); expected "
            "Parquet, or what save_to_disk leaves"
        ) from error


def hugging_face_source(data: Any, name: str = "user", column: str = "") -> ImageSource:
    """Take the images of a data set of Hugging Face.

    Parameters
    ----------
    data : datasets.Dataset, or mapping of split to it
        Columns are chosen by their types: the one of images, of arrays or of lists of numbers (see
        `columns.image_column`), and the one of class labels; where there are several of these, the
        one that is called "label", else the first, with a warning. Or one column for each pixel, as
        in tables.
    name : str, default="user"
        What results call it.
    column : str, optional
        The column of images, where there are several.

    Returns
    -------
    ImageSource

    Raises
    ------
    InputError
        When there is no column of images, or there are several.
    """
    parts = dict(data) if isinstance(data, Mapping) else {WHOLE: data}
    named = {split_named(split) or split: part for split, part in parts.items()}
    first = next(iter(named.values()))
    image = image_column(first.features, name, column)
    if image is None:
        return _of_pixels(named, name)
    label = label_column(first.features, image.name, name)
    classes = tuple(getattr(first.features[label], "names", ())) if label else ()
    kept = {split: _as_images(part, image, label, name) for split, part in named.items()}
    starts = np.cumsum([0, *map(len, kept.values())])
    places = {
        split: np.arange(start, start + len(part))
        for (split, part), start in zip(kept.items(), starts, strict=False)
    }

    def read(positions: NDArray[np.int64], size: int | None) -> Found:
        items = _items(kept, places, positions, (image.name, label), name)
        return gather(items, len(positions), size, name, classes)

    return ImageSource(name, int(starts[-1]), read, parts=None if WHOLE in places else places)


def _package(path: Path) -> ModuleType:
    try:
        import datasets
    except ImportError:
        raise InputError(
            f"{str(path)!r} needs the package datasets; pip install 'latentgeo[hf]'"
        ) from None
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(logging.CRITICAL)  # what goes wrong is raised
    found: ModuleType = datasets
    return found


def _parquet_in(folder: Path) -> list[Path]:
    """Return the Parquet files of a folder, or of its folder data."""
    inside = sorted(place for place in folder.iterdir() if place.is_dir())
    parted = [place for place in inside if split_named(place.name)]
    # The hub has them by themselves, in data, by split, or in the folder of a configuration.
    for places in ([folder], [folder / "data"], parted, inside if len(inside) == 1 else []):
        if found := [file for place in places for file in sorted(place.glob(f"*{SUFFIX}"))]:
            return found
    return []


def _check_rows(files: list[Path], path: Path) -> None:
    from pyarrow import parquet  # comes with datasets, whose own words for this say nothing

    if not any(parquet.read_metadata(file).num_rows for file in files):
        raise InputError(f"{str(path)!r} holds no rows; expected one for each image")


def _split_of(file: Path, path: Path) -> str:
    """Return the split that the name of a file, "train-00000-of-00001", or its folder says."""
    if path.is_file():
        return WHOLE
    if file.parent != path and (split := split_named(file.parent.name)):
        return split
    part = _PART.match(file.stem)
    name = part.group(1) if part else re.split(r"[-_.]", file.stem)[0]
    return split_named(name) or WHOLE


def _items(
    parts: Mapping[str, Any],
    places: Mapping[str, NDArray[np.int64]],
    positions: NDArray[np.int64],
    columns: tuple[str, str | None],
    name: str,
) -> Iterator[Item]:
    image, label = columns
    starts = {split: held[0] if len(held) else 0 for split, held in places.items()}
    for position in positions.tolist():
        split = next(
            split
            for split, held in places.items()
            if starts[split] <= position < starts[split] + len(held)
        )
        try:
            row = parts[split][int(position - starts[split])]
        except Exception as error:  # of Pillow and of Arrow, whatever the bytes lead to
            why = re.sub(r" <.*>", "", reason_of(error))  # the address of what Pillow was given
            raise InputError(
                f"image {position} of {name!r} cannot be read ({why}); leave this row out"
            ) from error
        if row[image] is None:
            raise InputError(f"image {position} of {name!r} is missing; leave this row out")
        found = {"image": _as_pixels(row[image], name), "label": row[label] if label else None}
        yield item_of(found, name)


def _as_pixels(value: Any, name: str) -> Any:
    """Return an image, or numbers as what they are: those from 0 to 255 as whole pixels."""
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype == object:
        raise InputError(f"an image of {name!r} has rows of several lengths; expected one length")
    if value.ndim == 1 and is_square(value.size):
        value = value.reshape(isqrt(value.size), -1)
    if value.dtype.kind not in "iu" or not value.size:
        return value
    low, high = int(value.min()), int(value.max())
    if low < 0 or high > 255:
        raise InputError(
            f"an image of {name!r} holds whole numbers in [{low}, {high}]: expected 0 to 255, or "
            "floating point in [0, 1]"
        )
    return value.astype(np.uint8)


def _as_images(part: Any, image: Column, label: str | None, name: str) -> Any:
    """Return the two columns of a split, the images decoded."""
    import datasets

    columns = [image.name, label] if label else [image.name]
    if missing := [one for one in columns if one not in part.features]:
        raise InputError(
            f"a split of {name!r} has no column {missing[0]!r}, as another has: "
            f"{describe(part.features)}"
        )
    if (part.format or {}).get("type") == "custom":
        warnings.warn(
            f"data {name!r}: their transform is left out; images are taken as they are stored",
            stacklevel=4,
        )
    chosen = part.select_columns(columns)
    if image.encoded:
        return chosen.cast_column(image.name, datasets.Image())
    if image.kind == "images":
        return chosen.with_format(None)
    _warn_of_rows(chosen, image.name, name)
    return chosen.with_format("numpy", columns=[image.name], output_all_columns=True)


def _warn_of_rows(part: Any, column: str, name: str) -> None:
    """Say what lists of numbers are taken for."""
    listed = inner(part.features[column]) is not None
    first = part.with_format("numpy")[0][column] if listed and len(part) else None
    if not isinstance(first, np.ndarray) or first.ndim != 1 or first.dtype == object:
        return
    side = isqrt(first.size)
    taken = f"grey images, {side}×{side}" if is_square(first.size) else f"signals, 1×1×{first.size}"
    warnings.warn(
        f"data {name!r}: rows of {first.size} numbers ({column}) are taken as {taken}",
        stacklevel=5,
    )


def _of_pixels(parts: Mapping[str, Any], name: str) -> ImageSource:
    """Take a table with a column for each pixel."""
    first = next(iter(parts.values()))
    if not are_pixels(list(first.column_names)):
        raise InputError(f"data {name!r} has no column of images: {describe(first.features)}")
    for part in parts.values():
        check_memory(len(part), (len(part.column_names),), name, itemsize=_NUMBER)
    frames = {split: part.with_format(None).to_pandas() for split, part in parts.items()}
    return source_of({split: pixels_of_frame(one, name) for split, one in frames.items()}, name)


def _cause_of(error: Exception) -> str:
    """Return what went wrong at first: the package wraps it in words that do not say it."""
    return reason_of(error.__cause__ if isinstance(error.__cause__, Exception) else error)
