"""Images that lie somewhere: how many there are and how they are parted, before they are read."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentgeo.datasets.images import ImageDataset
from latentgeo.datasets.splits import SPLITS, Labels, split_of_name
from latentgeo.datasets.streams import checked_seed
from latentgeo.errors import InputError
from latentgeo.machine import physical_memory

#: All images, whatever the split.
ALL = "all"

_TAKEN_FIRST = ("test", "validation", "train")
_GIB = 2**30
_SHOWN = 3


class Found(NamedTuple):
    """Images that were read.

    Attributes
    ----------
    images : numpy.ndarray
        Shape (n, C, H, W), uint8 or float32 in [0, 1].
    labels : numpy.ndarray or None
        Shape (n,), int64.
    class_names : tuple of str
        Names of the classes.
    files : tuple of str
        Where each comes from; empty where they have no names.
    kept : numpy.ndarray or None
        Shape (m,), bool: which of the m images that were asked for could be read; None for all.
    """

    images: NDArray[Any]
    labels: Labels = None
    class_names: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    kept: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class ImageSource:
    """Images that can be read, by their positions.

    Parameters
    ----------
    name : str
        What results and messages call them.
    count : int
        How many there are.
    read : callable
        Positions (m,) from 0, and a side in pixels or None, to `Found`.
    parts : mapping of str to numpy.ndarray, optional
        Split → positions, where the data are parted already.
    keys : sequence of str, optional
        What a hash splits them by where they are not; their positions if left out.
    skipped : list of str
        Files that cannot be read, which were to be skipped; reading adds to it.
    """

    name: str
    count: int
    read: Callable[[NDArray[np.int64], int | None], Found]
    parts: Mapping[str, NDArray[np.int64]] | None = None
    keys: Sequence[str] | None = None
    skipped: list[str] | None = None


def read_source(
    source: ImageSource, split: str | None, size: int | None, samples: int | None, seed: int
) -> ImageDataset:
    """Read a split of the images, or some of it.

    Parameters
    ----------
    source : ImageSource
        The images.
    split : str or None
        "train", "validation", "test" or "all"; None for the test images of data that are parted
        already, and else for all.
    size : int or None
        Side in pixels to resize to.
    samples : int or None
        Number of images, drawn by the seed as `ImageDataset.take` does; all, where there are no
        more, with a warning.
    seed : int
        The seed.

    Returns
    -------
    ImageDataset
        Its `indices` are places in the split.

    Raises
    ------
    InputError
        When there are none in the split, or they cannot be read.
    """
    if not source.count:
        raise InputError(f"data {source.name!r} hold no images; expected at least one")
    part, positions = _part(source, split)
    if not len(positions):
        raise _nothing_in(source, part)
    places = np.arange(len(positions))
    if samples is not None:
        wanted = capped(samples, len(positions), f"{source.name} ({part})")
        places = np.random.default_rng(checked_seed(seed)).permutation(len(positions))[:wanted]
    found = source.read(positions[places], size)
    if found.kept is not None:
        places = places[found.kept]
    if not len(places):
        raise InputError(f"no image of {source.name!r} ({part}) can be read; give other data")
    skipped = tuple(source.skipped or ())
    if skipped:
        warnings.warn(_describe_skipped(source.name, skipped), stacklevel=3)
    return ImageDataset(
        source.name,
        part,
        found.images,
        found.labels,
        found.class_names,
        places,
        size,
        files=found.files,
        skipped=skipped,
    )


@contextmanager
def without_shortage() -> Iterator[None]:
    """Leave out the warning of `capped` within a block: nobody asked for so many images."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* fewer than .* samples: all are taken")
        yield


def capped(samples: int, count: int, name: str) -> int:
    """Return how many images are taken: `samples`, or with a warning all that there are."""
    if isinstance(samples, bool) or not isinstance(samples, int | np.integer) or samples < 1:
        raise InputError(
            f"{samples!r} samples of {name} cannot be taken: expected a whole number from 1, or all"
        )
    if samples > count:
        warnings.warn(
            f"{name} has {count} images, fewer than {samples} samples: all are taken", stacklevel=4
        )
    return min(samples, count)


def check_memory(count: int, shape: tuple[int, ...], name: str, *, itemsize: int = 1) -> None:
    """Refuse, before they are read, images that memory cannot hold.

    Parameters
    ----------
    count : int
        How many.
    shape : tuple of int
        Of each.
    name : str
        What they are called in the message.
    itemsize : int, default=1
        Bytes of a number.

    Raises
    ------
    InputError
        With the number and the way out.
    """
    needed = float(count) * float(np.prod(shape, dtype=np.float64)) * itemsize
    room = physical_memory()
    if needed > room:
        raise InputError(
            f"{count} images of {name!r}, {'×'.join(map(str, shape))}, take {needed / _GIB:.1f} "
            f"GiB, and this machine has {room / _GIB:.1f} GiB; take fewer (samples) or make them "
            "smaller (size)"
        )


def _part(source: ImageSource, split: str | None) -> tuple[str, NDArray[np.int64]]:
    everything = np.arange(source.count)
    if split == ALL:
        return ALL, everything
    if source.parts is None:
        return (ALL, everything) if split is None else (split, _hashed(source, everything, split))
    if split is None:
        split = next(part for part in _TAKEN_FIRST if part in source.parts)
        if split != "test":
            warnings.warn(
                f"{source.name} has no test images of its own: its {split} images are taken "
                "(--split chooses)",
                stacklevel=4,
            )
    elif "train" in source.parts and "validation" not in source.parts and split != "test":
        return split, _held_out(source, split)
    return split, source.parts.get(split, everything[:0])


def _held_out(source: ImageSource, split: str) -> NDArray[np.int64]:
    """Return the training images, or a tenth of them to validate on where there are no others."""
    positions = (source.parts or {})["train"]
    tenth = _hashed(source, positions, "validation")
    rest: NDArray[np.int64] = np.setdiff1d(positions, tenth)
    return tenth if split == "validation" else rest


def _hashed(source: ImageSource, positions: NDArray[np.int64], split: str) -> NDArray[np.int64]:
    keys = source.keys
    chosen = [
        split_of_name(str(position) if keys is None else keys[position]) == split
        for position in positions.tolist()
    ]
    found: NDArray[np.int64] = positions[np.array(chosen, dtype=bool)]
    return found


def _nothing_in(source: ImageSource, split: str) -> InputError:
    if source.parts is not None:
        parted = ", ".join(f"{name} {len(held)}" for name, held in source.parts.items())
        return InputError(
            f"{source.name!r} has no {split} images ({parted}); choose another split (--split), or "
            "all"
        )
    everything = np.arange(source.count)
    count = {name: len(_hashed(source, everything, name)) for name in SPLITS}
    parted = ", ".join(f"{name} {number}" for name, number in count.items())
    return InputError(
        f"split {split!r} of {source.name!r} is empty ({parted}): a hash of each image's name "
        "splits them; add images, split them yourself into the subfolders train, validation and "
        "test, or take all (--split all)"
    )


def _describe_skipped(name: str, skipped: Sequence[str]) -> str:
    more = f" and {len(skipped) - _SHOWN} more" if len(skipped) > _SHOWN else ""
    return (
        f"{len(skipped)} files of {name} cannot be read and are skipped: "
        f"{', '.join(skipped[:_SHOWN])}{more} (the results list all)"
    )
