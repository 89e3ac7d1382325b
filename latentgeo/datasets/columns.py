"""Which columns of a data set of Hugging Face hold images and classes, by their types."""

import warnings
from collections.abc import Mapping
from math import isqrt
from typing import Any, Literal, NamedTuple

from latentgeo.errors import InputError

#: From the surest to the least sure: only where there are none of one kind, the next counts.
Kind = Literal["images", "arrays", "lists"]

_NAMED = ("image", "img", "images", "pixel_values", "pixels", "x")
_CLASSES = ("label", "labels", "target", "class")
_ARRAYS = ("Array2D", "Array3D", "Array4D")
_NUMBERS = ("int", "uint", "float", "double", "half")
_SURE: tuple[Kind, ...] = ("images", "arrays")
_LEAST = 64  # pixels of 8 by 8: fewer columns, or numbers in a row, are no image
_DEEPEST = 4  # axes of a volume of several channels


class Column(NamedTuple):
    """A column of images.

    Attributes
    ----------
    name : str
        Its name.
    kind : {"images", "arrays", "lists"}
        Files of images; arrays of a shape that the column states; lists of numbers, in lists of
        them for each further axis.
    encoded : bool
        Whether they are bytes that nothing names images.
    """

    name: str
    kind: Kind
    encoded: bool = False


def image_column(features: Mapping[str, Any], name: str, wanted: str = "") -> Column | None:
    """Return the column of images.

    Parameters
    ----------
    features : mapping of str to feature
        The columns and their types.
    name : str
        What messages call the data.
    wanted : str, optional
        The column that is meant.

    Returns
    -------
    Column or None
        Of several the one that is called so, as "image" or "pixel_values", with a warning. None
        where there is none.

    Raises
    ------
    InputError
        When there are several and none is called so, or the one that is meant holds no images.
    """
    found = [one for key, kind in features.items() if (one := _column(str(key), kind))]
    if wanted:
        if not (meant := [one for one in found if one.name == wanted]):
            raise InputError(
                f"data {name!r} has no column {wanted!r} of images: {describe(features)}"
            )
        return meant[0]
    sure = [one for one in found if one.kind in _SURE]
    found = sure or found
    if len(found) < 2:
        return found[0] if found else None
    names = [one.name for one in found]
    called = [one for one in found if one.name.lower() in _NAMED]
    if len(called) != 1:
        raise InputError(
            f"data {name!r} has {len(found)} columns of images ({', '.join(names)}); name one, as "
            f"in FILE::{names[0]}, or keep one with select_columns"
        )
    warnings.warn(
        f"data {name!r} has several columns of images ({', '.join(names)}); {called[0].name!r} is "
        "taken",
        stacklevel=4,
    )
    return called[0]


def label_column(features: Mapping[str, Any], image: str, name: str) -> str | None:
    """Return the column of classes, by its type, else by its name; None where there is none."""
    labels = [column for column, kind in features.items() if kind_of(kind) == "ClassLabel"]
    if not labels:
        plain = [key for key, kind in features.items() if key != image and _is_plain(kind)]
        labels = [column for column in plain if column in _CLASSES]
    if len(labels) > 1:
        chosen = "label" if "label" in labels else labels[0]
        warnings.warn(
            f"data {name!r} has several columns of classes ({', '.join(labels)}); {chosen!r} is "
            "taken",
            stacklevel=4,
        )
        return str(chosen)
    return str(labels[0]) if labels else None


def are_pixels(columns: list[str]) -> bool:
    """Return whether columns are the pixels of a grey square, beside a label, as Kaggle has them.

    Parameters
    ----------
    columns : list of str
        Their names.
    """
    return is_square(len(columns) - ("label" in [str(column).lower() for column in columns]))


def is_square(count: int) -> bool:
    """Return whether so many numbers are the pixels of a square that is large enough."""
    return count >= _LEAST and isqrt(count) ** 2 == count


def describe(features: Mapping[str, Any]) -> str:
    """Return the columns with their types, the first ones of many."""
    shown = [f"{column} ({kind_of(kind)})" for column, kind in list(features.items())[:12]]
    more = f" and {len(features) - len(shown)} more" if len(features) > len(shown) else ""
    return ", ".join(shown) + more


def kind_of(feature: Any) -> str:
    """Return what a feature is called: the type of its values, where they are plain."""
    if isinstance(feature, dict):
        return "struct"
    name = type(feature).__name__
    return str(feature.dtype) if name == "Value" else name


def _column(name: str, feature: Any) -> Column | None:
    kind = kind_of(feature)
    if kind == "Image":
        return Column(name, "images")
    if _is_encoded(feature):
        return Column(name, "images", encoded=True)
    if kind in _ARRAYS:
        return Column(name, "arrays")
    return Column(name, "lists") if 1 <= _depth(feature) <= _DEEPEST else None


def _depth(feature: Any) -> int:
    """Return in how many lists a column has its numbers; 0 where it has none."""
    depth = 0
    while (within := inner(feature)) is not None:
        depth, feature = depth + 1, within
    numbers = kind_of(feature).startswith(_NUMBERS) and type(feature).__name__ == "Value"
    return depth if numbers else 0


def inner(feature: Any) -> Any:
    """Return what the lists of a column hold; None where it has none."""
    if isinstance(feature, list) and len(feature) == 1:
        return feature[0]
    return getattr(feature, "feature", None)


def _is_plain(feature: Any) -> bool:
    return type(feature).__name__ == "Value" and kind_of(feature).startswith(
        ("int", "uint", "string", "large_string")
    )


def _is_encoded(feature: Any) -> bool:
    """Return whether a column holds files of images as bytes, which nothing names images."""
    if isinstance(feature, dict):
        return {"bytes", "path"} <= set(feature)
    return getattr(feature, "dtype", "") in ("binary", "large_binary")
