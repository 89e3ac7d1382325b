"""Data sets of Hugging Face: in memory, saved to a folder, or as Parquet files."""

import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentgeo.datasets.items import Item, gather, item_of
from latentgeo.datasets.sources import Found, ImageSource
from latentgeo.datasets.splits import split_named
from latentgeo.errors import InputError, reason_of

SUFFIX = ".parquet"

_SAVED = ("dataset_dict.json", "state.json")  # what save_to_disk leaves
_PART = re.compile(r"^(.+?)-\d{5}-of-\d{5}(-[0-9a-f]+)?$")
_WHOLE = ""


def is_saved(path: Path) -> bool:
    """Return whether a path is Parquet or a folder of it, or what `save_to_disk` left."""
    if not path.is_dir():
        return path.suffix.lower() == SUFFIX
    return any((path / name).is_file() for name in _SAVED) or bool(_parquet_in(path))


def is_loaded(data: Any) -> bool:
    """Return whether an object is a data set of Hugging Face, or a mapping of them by split."""
    one = next(iter(data.values()), None) if isinstance(data, Mapping) else data
    return hasattr(one, "features") and hasattr(one, "column_names") and hasattr(one, "select")


def read_hugging_face(path: Path) -> ImageSource:
    """Open a data set that lies on disk.

    Parameters
    ----------
    path : pathlib.Path
        A Parquet file, or a folder that holds them (as the hub lays them out, a file or more for
        each split) or that `save_to_disk` left.

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
            return hugging_face_source(package.load_from_disk(str(path)), path.resolve().name)
        files = [path] if path.is_file() else _parquet_in(path)
        parts: dict[str, list[str]] = {}
        for file in files:
            parts.setdefault(_split_of(file, path), []).append(str(file))
        found = {
            split: package.load_dataset("parquet", data_files=held, split="train")
            for split, held in parts.items()
        }
        return hugging_face_source(found, path.stem if path.is_file() else path.resolve().name)
    except InputError:
        raise
    except Exception as error:  # the package wraps those of several others
        raise InputError(
            f"{str(path)!r} cannot be read by the package datasets ({reason_of(error)}); expected "
            "Parquet, or what save_to_disk leaves"
        ) from error


def hugging_face_source(data: Any, name: str = "user") -> ImageSource:
    """Take the images of a data set of Hugging Face.

    Parameters
    ----------
    data : datasets.Dataset, or mapping of split to it
        Columns are chosen by their types: the one of images (or of arrays with two or three axes),
        and the one of class labels; where there are several of these, the one that is called
        "label", else the first, with a warning.
    name : str, default="user"
        What results call it.

    Returns
    -------
    ImageSource

    Raises
    ------
    InputError
        When there is no column of images, or there are several.
    """
    parts = dict(data) if isinstance(data, Mapping) else {_WHOLE: data}
    named = {split_named(split) or split: part for split, part in parts.items()}
    first = next(iter(named.values()))
    image = _image_column(first, name)
    label = _label_column(first, image, name)
    classes = tuple(getattr(first.features[label], "names", ())) if label else ()
    kept = {split: _as_images(part, image, label) for split, part in named.items()}
    starts = np.cumsum([0, *map(len, kept.values())])
    places = {
        split: np.arange(start, start + len(part))
        for (split, part), start in zip(kept.items(), starts, strict=False)
    }

    def read(positions: NDArray[np.int64], size: int | None) -> Found:
        items = _items(kept, places, positions, (image, label), name)
        return gather(items, len(positions), size, name, classes)

    return ImageSource(name, int(starts[-1]), read, parts=None if _WHOLE in places else places)


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
    for place in (folder, folder / "data"):
        if found := sorted(place.glob(f"*{SUFFIX}")):
            return found
    return []


def _split_of(file: Path, path: Path) -> str:
    """Return the split that a file's name says, in a folder: "train-00000-of-00001"."""
    if path.is_file():
        return _WHOLE
    part = _PART.match(file.stem)
    name = part.group(1) if part else re.split(r"[-_.]", file.stem)[0]
    return split_named(name) or _WHOLE


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
        row = parts[split][int(position - starts[split])]
        found = {"image": _as_array(row[image]), "label": row[label] if label else None}
        yield item_of(found, name)


def _as_array(value: Any) -> Any:
    return np.array(value) if isinstance(value, list) else value


def _as_images(part: Any, image: str, label: str | None) -> Any:
    """Return the two columns of a split, the images decoded."""
    import datasets

    chosen = part.select_columns([image, label] if label else [image])
    if _is_encoded(chosen.features[image]):
        return chosen.cast_column(image, datasets.Image())
    return chosen.with_format(None)


def _image_column(data: Any, name: str) -> str:
    columns = [column for column, kind in data.features.items() if _is_image(kind)]
    if len(columns) == 1:
        return str(columns[0])
    kinds = ", ".join(f"{column} ({_kind(kind)})" for column, kind in data.features.items())
    if not columns:
        raise InputError(f"data {name!r} has no column of images: {kinds}")
    raise InputError(
        f"data {name!r} has {len(columns)} columns of images ({', '.join(columns)}); keep one, "
        "with select_columns"
    )


def _label_column(data: Any, image: str, name: str) -> str | None:
    labels = [column for column, kind in data.features.items() if _kind(kind) == "ClassLabel"]
    if not labels:
        whole = [
            column
            for column, kind in data.features.items()
            if column != image and str(getattr(kind, "dtype", "")).startswith(("int", "uint"))
        ]
        labels = [column for column in whole if column in ("label", "labels", "target", "class")]
    if len(labels) > 1:
        chosen = "label" if "label" in labels else labels[0]
        warnings.warn(
            f"data {name!r} has several columns of classes ({', '.join(labels)}); {chosen!r} is "
            "taken",
            stacklevel=4,
        )
        return str(chosen)
    return str(labels[0]) if labels else None


def _kind(feature: Any) -> str:
    return type(feature).__name__ if not isinstance(feature, dict) else "struct"


def _is_image(feature: Any) -> bool:
    return _kind(feature) in ("Image", "Array2D", "Array3D") or _is_encoded(feature)


def _is_encoded(feature: Any) -> bool:
    """Return whether a column holds files of images as bytes, which nothing names images."""
    if isinstance(feature, dict):
        return {"bytes", "path"} <= set(feature)
    return getattr(feature, "dtype", "") in ("binary", "large_binary")
