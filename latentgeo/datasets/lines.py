"""Lines at random angles, in any number: the data of the interpolation benchmark."""

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.random import Philox
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.datasets.endless import ImageStream
from latentgeo.datasets.splits import Labels
from latentgeo.datasets.streams import checked_seed
from latentgeo.errors import InputError
from latentgeo.metrics.line_images import LINE_SIDE, render_lines

#: Lines in each finite split; 512 for testing are 256 pairs, as in the benchmark.
SAMPLES = {"train": 16_384, "validation": 512, "test": 512}

#: Fresh lines in an epoch of training: the benchmark measures after each so many.
EPOCH = 65_536

# Each split has angles of its own.
_SEEDS = {"train": 0, "validation": 1, "test": 2}
# Philox gives its numbers by fours, one block for each value of the counter.
_WORDS = 4
_MANTISSA = 2.0**-53


def line_angles(n: int, seed: int, start: int = 0) -> NDArray[np.float64]:
    """Draw angles from an endless stream, uniform on the circle.

    Parameters
    ----------
    n : int
        How many.
    seed : int
        Names the stream, from 0 to 2**64 - 1.
    start : int, default=0
        Place of the first in the stream: number i is the same in whichever batch it is drawn.

    Returns
    -------
    numpy.ndarray of shape (n,)
        float64, radians in [0, 2π).

    Raises
    ------
    InputError
        When n or start is negative or not whole, or the seed cannot be used.

    References
    ----------
    J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as
    1, 2, 3", SC 2011.
    """
    _check_count(n, "n")
    _check_count(start, "start")
    skipped = start % _WORDS
    generator = Philox(key=checked_seed(seed), counter=start // _WORDS)
    words = np.asarray(generator.random_raw(skipped + n), dtype=np.uint64)[skipped:]
    return np.asarray((words >> np.uint64(11)) * (2 * math.pi * _MANTISSA), dtype=np.float64)


def line_stream(style: str = "paper", seed: int = 0, samples: int = EPOCH) -> ImageStream:
    """Return lines without end, to train on: no two epochs share an image.

    Parameters
    ----------
    style : {"paper", "smooth"}, default="paper"
        How they are drawn; see `render_lines`.
    seed : int, default=0
        Names the stream of angles; see `line_angles`.
    samples : int, default=65536
        Lines in an epoch.

    Returns
    -------
    ImageStream
        Images (1, 32, 32) in [0, 1].

    Raises
    ------
    InputError
        When the style, the seed or the number of samples cannot be used.
    """
    if style not in _NAMES:
        raise InputError(f"style is {style!r}; expected {' or '.join(map(repr, _NAMES))}")
    checked_seed(seed)
    if _check_count(samples, "samples") == 0:
        raise InputError("samples is 0; expected at least one line in an epoch")
    return ImageStream(
        _NAMES[style],
        "train",
        (1, LINE_SIDE, LINE_SIDE),
        samples,
        partial(_numbered_lines, style=style, seed=seed),
        f"style {style}, seed {seed}, version 1",
    )


def read_lines(
    folder: Path, split: str, size: int | None, *, style: str
) -> tuple[NDArray[Any], Labels]:
    """Draw the lines of a finite split; those of "train" begin its stream.

    Parameters
    ----------
    folder, size
        Not used: nothing is read, and `load` resizes.
    split : str
        Each has angles of its own.
    style : {"paper", "smooth"}
        How they are drawn.

    Returns
    -------
    images : numpy.ndarray
        Shape (n, 1, 32, 32), float32 in [0, 1].
    labels : None
    """
    angles = line_angles(SAMPLES[split], _SEEDS[split])
    return _in_unit_range(torch.from_numpy(angles), style).numpy(), None


_NAMES = {"paper": "lines", "smooth": "lines-smooth"}


def _numbered_lines(
    numbers: NDArray[np.int64], device: torch.device, *, style: str, seed: int
) -> Tensor:
    angles = torch.from_numpy(_numbered_angles(numbers, seed))
    return _in_unit_range(angles.to(device), style)


def _numbered_angles(numbers: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """Return the angles of these numbers of the stream: all between the ends, of which some are."""
    if not len(numbers):
        return np.empty(0)
    first = int(numbers.min())
    angles = line_angles(int(numbers.max()) - first + 1, seed, first)
    return angles[numbers - first]


def _in_unit_range(angles: Tensor, style: str) -> Tensor:
    return render_lines(angles, style).add_(1).mul_(0.5)


def _check_count(value: Any, name: str) -> int:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < 0:
        raise InputError(f"{name} is {value!r}; expected a whole number from 0")
    return int(value)
