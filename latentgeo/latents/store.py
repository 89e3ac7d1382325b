"""Latents on disk (or in memory): a zarr group that xarray opens, filled batch by batch."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latentgeo.errors import InputError
from latentgeo.files import check_free, folder_in_place
from latentgeo.foreign import parse_json
from latentgeo.foreign.zarr_folders import check_zarr
from latentgeo.lazy import xr

if TYPE_CHECKING:
    import zarr

_MARK = "written"
_GIB = 2**30


class LatentStore:
    """Arrays of one encoding, written a batch of images at a time.

    A mark per image is written after everything else: where it is NaN the batch is missing, and
    an interrupted encoding goes on from there.

    Parameters
    ----------
    group : zarr.Group
        The open group.
    """

    def __init__(self, group: zarr.Group) -> None:
        self.group = group

    @property
    def batch_size(self) -> int:
        """Number of images in one chunk, and so in one write."""
        return int(self._array(_MARK).chunks[0])

    @property
    def samples(self) -> int:
        """Number of images that the finished store holds."""
        return int(self._array(_MARK).shape[0])

    def missing(self) -> list[int]:
        """Return the number of the first image of each batch that is not complete."""
        missing, size = np.isnan(np.asarray(self._array(_MARK)[:])), self.batch_size
        starts = range(0, self.samples, size)
        return [start for start in starts if missing[start : start + size].any()]

    def write(self, start: int, batch: Mapping[str, NDArray[np.float32]]) -> None:
        """Write one batch of images, the first of which is number `start`."""
        stop = min(start + self.batch_size, self.samples)
        for name, values in batch.items():
            array = self._array(name)
            before = array.metadata.dimension_names.index("sample")
            array[(slice(None),) * before + (slice(start, stop),)] = values
        self._array(_MARK)[start:stop] = 1.0

    def dataset(self) -> xr.Dataset:
        """Open as an `xarray.Dataset`; arrays are read when they are used."""
        opened: xr.Dataset = xr.open_zarr(self.group.store, consolidated=False, chunks=None)
        return opened.drop_vars(_MARK)

    def _array(self, name: str) -> Any:
        return self.group[name]


def open_store(
    out: Path | None,
    identity: Mapping[str, Any],
    coordinates: xr.Dataset,
    shapes: Mapping[str, tuple[tuple[str, int], ...]],
    *,
    batch_size: int,
    force: bool,
) -> LatentStore:
    """Make a store, or continue the one that an interrupted encoding left.

    Parameters
    ----------
    out : pathlib.Path or None
        Folder on disk; in memory if None.
    identity : mapping
        What must agree for a store to be continued: hashes, seeds, levels.
    coordinates : xarray.Dataset
        Coordinates, labels and attributes, written at once.
    shapes : mapping of str to tuple of (dimension, length)
        Arrays to be filled.
    batch_size : int
        Images per chunk.
    force : bool
        Replace a store of another encoding.

    Returns
    -------
    LatentStore
        Open for writing.

    Raises
    ------
    InputError
        When the folder holds something else and `force` is false, or the disk is too small.
    """
    import zarr  # slow to import

    described = coordinates.assign_attrs(identity=json.dumps(identity, sort_keys=True))
    if out is None:
        return _create(zarr.storage.MemoryStore(), described, shapes, batch_size)
    if (out / "zarr.json").is_file() and not force:
        return _continue(out, identity)
    check_free(out, holds="latents", force=force)
    _check_space(out, shapes)
    with folder_in_place(out) as folder:
        _create(str(folder), described, shapes, batch_size)
    return LatentStore(zarr.open_group(str(out), mode="r+"))


def _check_space(out: Path, shapes: Mapping[str, tuple[tuple[str, int], ...]]) -> None:
    """Refuse, before any work, latents that the disk has no room for."""
    needed = sum(4 * math.prod(length for _, length in axes) for axes in shapes.values())
    place = next(folder for folder in out.absolute().parents if folder.is_dir())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise InputError(
            f"the latents take {needed / _GIB:.1f} GiB and {str(place)!r} has {free / _GIB:.1f} "
            "GiB free; take fewer images (samples) or noise levels, or a folder on a larger disk "
            "(for an analysis: the environment variable TMPDIR)"
        )


def _create(
    store: Any,
    coordinates: xr.Dataset,
    shapes: Mapping[str, tuple[tuple[str, int], ...]],
    batch_size: int,
) -> LatentStore:
    import zarr  # slow to import

    coordinates.to_zarr(store, mode="w", consolidated=False)
    group = zarr.open_group(store, mode="r+")
    marked = {**shapes, _MARK: (("sample", coordinates.sizes["sample"]),)}
    for name, dimensions in marked.items():
        group.create_array(
            name,
            shape=tuple(length for _, length in dimensions),
            chunks=tuple(
                1
                if dimension in ("noise", "draw")
                else min(length, batch_size)
                if dimension == "sample"
                else length
                for dimension, length in dimensions
            ),
            dtype="float32",
            fill_value=np.nan,
            dimension_names=tuple(dimension for dimension, _ in dimensions),
        )
    return LatentStore(group)


def _continue(out: Path, identity: Mapping[str, Any]) -> LatentStore:
    import zarr  # slow to import

    check_zarr(out)
    group = zarr.open_group(str(out), mode="r+")
    found = parse_json(str(group.attrs.get("identity", "{}")))
    different = [name for name in identity if found.get(name) != identity[name]]
    if different:
        name = different[0]
        raise InputError(
            f"output folder {str(out)!r} holds latents of another encoding: {name} is "
            f"{found.get(name)!r} there and {identity[name]!r} now; "
            "choose another folder, or overwrite it with --force (force=True)"
        )
    return LatentStore(group)
