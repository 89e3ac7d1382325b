"""Latents that come without a model: arrays, or files that hold them."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple
from zipfile import is_zipfile

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.checkpoints.untrusted import Weights, read_untrusted
from latentgeo.datasets import seeded_normal
from latentgeo.errors import InputError, reason_of
from latentgeo.foreign import read_json
from latentgeo.foreign.arrays import as_names, as_numpy, fits_numpy, is_frame
from latentgeo.foreign.conversions import describe_conversion
from latentgeo.foreign.numpy_files import read_numpy
from latentgeo.foreign.room import check_room
from latentgeo.foreign.zarr_folders import check_zarr
from latentgeo.latents.loaders import gives_rows, rows_of
from latentgeo.latents.sweep import axis_names, choose_images
from latentgeo.lazy import xr
from latentgeo.provenance import provenance
from latentgeo.settings import AnalysisSettings

#: The perturbation that stands in where there are no latents of perturbed inputs.
OF_THE_LATENT = "gaussian noise on the latent itself"

_KEY = "::"
_MEMBER = f"name one, as in FILE{_KEY}NAME"
_OF_A_MODEL = f"{_MEMBER}, or give --data where these are the weights of a model"
_SHOWN = 8
_TENSORS = (".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".th", ".distcp")
_PICKLES = (".pkl", ".pickle")
_CHANNELS = "--latent-channels"
_NUMBER = 8  # bytes of one, at most
#: What latents can be of, with the distance of 1 to the next number.
_DTYPES = {"bfloat16": 2**-7, "float16": 2**-10, "float32": 2**-23, "float64": 2**-52}
_ANEW = "save it anew, or as .npy"
_STREAM = 7  # of random numbers; others are used for images and posteriors


class GivenLatents(NamedTuple):
    """The latents of one model, without the model.

    Attributes
    ----------
    dataset : xarray.Dataset
        As `latentgeo.encode` returns it, as far as it is known.
    perturbation : str
        What the levels are of.
    notes : tuple of str
        What was done to the arrays.
    in_memory : bool
        Whether they lie in memory, however many they are.
    """

    dataset: xr.Dataset
    perturbation: str
    notes: tuple[str, ...]
    in_memory: bool = False


def given_latents(
    name: str,
    clean: Any,
    settings: AnalysisSettings,
    *,
    noisy: Mapping[float, Any] | None = None,
    labels: Any = None,
    channels: Literal["auto", "first", "last"] = "auto",
) -> GivenLatents:
    """Make of arrays what an analysis starts from.

    Parameters
    ----------
    name : str
        What messages call them.
    clean : array_like, path, xarray.Dataset, pandas.DataFrame, or torch Dataset or DataLoader
        Latents of clean inputs, of any order: (n, d), (n, T, d), (n, C, H, W), (n, C, D, H, W); a
        file that holds them (see `read_latents`), or what `latentgeo.encode` gave. Of a table the
        columns of floating point numbers; of a loader each item, and its label.
    settings : AnalysisSettings
        `samples` and `seed` choose rows; `noise`, where it was given and `noisy` was not, are
        standard deviations of Gaussian noise that is added to the latents themselves, in units of
        their own root mean square; `perturbation` names what `noisy` differs by.
    noisy : mapping of float to array_like or path, optional
        Latents of the same inputs under a perturbation, row by row, by its level.
    labels : array_like or path, optional
        A class for each row, whole numbers.
    channels : {"auto", "first", "last"}, default="auto"
        Which axis of a latent holds the channels; "auto": the last of two, as of tokens (n, T, d),
        and the first of more.

    Returns
    -------
    GivenLatents
        In memory.

    Raises
    ------
    InputError
        When an array is not of real numbers, not finite, empty, or does not fit the others.
    """
    if gives_rows(clean):
        clean, own = rows_of(clean, name)
        labels = own if labels is None else labels
    given = _array_or_dataset(name, clean)
    if isinstance(given, xr.Dataset):
        if noisy or labels is not None:
            raise InputError(
                f"latents {name!r} hold their levels and labels already; leave noisy and labels out"
            )
        encoded = _checked_encoding(name, given)
        # Whether a PSNR is good, only the images could tell.
        alone = encoded.drop_vars("psnr", errors="ignore")
        left_out: tuple[str, ...] = ()
        if "psnr" in encoded:
            left_out = ("PSNR is left out without the images",)
        return GivenLatents(alone, _perturbation_of(given, settings), left_out)
    found, dtype = given
    levels = {0.0: found}
    for level, other in _by_level(noisy).items():
        held = _counterpart(f"{name} at level {level:g}", other, found)
        levels[level] = held.values
        dtype = max(dtype, held.dtype, key=_DTYPES.__getitem__)
    count = len(found)
    rows = choose_images(count, settings.samples or count, settings.seed)
    known = None if labels is None else _labels(labels, count)[rows]
    levels = {level: values[rows] for level, values in sorted(levels.items())}
    perturbation = settings.perturbation
    if not noisy:
        levels |= _perturbed(levels[0.0], rows, settings)
        perturbation = OF_THE_LATENT if len(levels) > 1 else perturbation
    stacked, notes = _as_tensors(np.stack(list(levels.values())), channels)
    dataset = xr.Dataset(
        {"mean": (("noise", "sample", *axis_names(stacked.ndim - 2)), stacked)},
        coords={"noise": np.asarray(list(levels)), "sample": rows},
        attrs=_attributes(found, dtype, list(levels), perturbation, settings, notes),
    )
    if known is not None:
        dataset["label"] = ("sample", known)
    return GivenLatents(dataset, perturbation, notes, in_memory=True)


def read_latents(path: str | Path, *, what: str = "latents") -> NDArray[Any] | Tensor | xr.Dataset:
    """Read latents from a file, without running anything that it holds.

    Parameters
    ----------
    path : str or pathlib.Path
        .npy, .npz, a file of tensors (.safetensors, .pt, …), NetCDF (.nc), Parquet (.parquet,
        extra `parquet`), a table as text (.csv, .tsv, .txt, with or without names above), or a
        zarr folder. ``FILE::NAME`` names one of several arrays, or a column. What
        `latentgeo.encode` wrote comes back as it was.
    what : str, default="latents"
        What messages call them.

    Returns
    -------
    numpy.ndarray, torch.Tensor or xarray.Dataset
        The array, a tensor where it is of bfloat16, which NumPy lacks; the data set of an encoding.

    Raises
    ------
    InputError
        When there is no such file, it cannot be read, or it holds several arrays.
    """
    text, _, key = str(path).partition(_KEY)
    place = Path(text)
    if not place.exists():
        raise InputError(f"{what} {text!r} do not exist; give a file or a folder that holds them")
    suffix = ".zarr" if place.is_dir() else place.suffix.lower()
    reader = _read_pickle if suffix in _PICKLES else _READERS.get(suffix)
    if reader is None:
        raise _not_read(place, what)
    try:
        held = reader(place)
    except InputError:
        raise
    except ImportError:
        raise InputError(
            f"{text!r} needs a package that is not installed; pip install 'latentgeo[parquet]' for "
            "Parquet, h5netcdf for NetCDF 4, or save the latents as .npy"
        ) from None
    except Exception as error:  # every format has kinds of its own
        raise InputError(
            f"{what} {text!r} cannot be read ({reason_of(error)}); save them anew, as .npy for "
            "example; arrays of objects are not read"
        ) from None
    if isinstance(held, xr.Dataset):
        if _is_encoding(held) and not key:
            return held
        held = _arrays_of(held)
    return _member(text, held, key, _OF_A_MODEL if suffix in _TENSORS else _MEMBER)


def _not_read(path: Path, what: str) -> InputError:
    if path.is_file() and (conversion := describe_conversion(path)) is not None:
        return InputError(f"{str(path)!r} is {conversion}")
    return InputError(
        f"{what} {str(path)!r} are of no known kind; expected {', '.join(_READERS)}, or give "
        "--data where this is a model that encodes images"
    )


def _is_encoding(held: xr.Dataset) -> bool:
    return "mean" in held and "noise" in held.dims


def _arrays_of(held: xr.Dataset) -> dict[str, NDArray[Any]]:
    return {str(name): values.values for name, values in held.data_vars.items()}


def _member(
    text: str, held: Mapping[str, Any], key: str, way: str = _MEMBER
) -> NDArray[Any] | Tensor:
    if not key and (len(held) == 1 or "" in held):
        found = next(iter(held.values())) if len(held) == 1 else held[""]
        return found if isinstance(found, Tensor) else np.asarray(found)
    first = list(held.items())[:_SHOWN]
    shown = ", ".join(f"{name} {tuple(np.shape(values))}" for name, values in first)
    shown += f" and {len(held) - _SHOWN} more" if len(held) > _SHOWN else ""
    if key in held:
        return held[key] if isinstance(held[key], Tensor) else np.asarray(held[key])
    said = f"has no array {key!r}" if key else f"holds {len(held)} arrays"
    raise InputError(f"{text!r} {said}: {shown or 'none'}; {way}")


def _read_tensors(path: Path) -> Mapping[str, Any]:
    found = read_untrusted(path, nameless=True)
    if not isinstance(found, Weights):
        raise InputError(f"{str(path)!r} is a program, not an array; save the latents as .npy")
    return {
        name: tensor.numpy() if fits_numpy(tensor) else tensor
        for name, tensor in found.tensors.items()
    }


def _read_pickle(path: Path) -> Mapping[str, Any]:
    """Read tensors that torch.save wrote under the ending of a pickle; refuse one of Python."""
    if is_zipfile(path):
        return _read_tensors(path)
    raise _not_read(path, "latents")


def _read_netcdf(path: Path) -> xr.Dataset:
    with xr.open_dataset(path) as held:
        check_room(path, held.nbytes, path.stat().st_size)
        loaded: xr.Dataset = held.load()
    return loaded


def _read_zarr(path: Path) -> xr.Dataset | Mapping[str, Any]:
    if not any(path.joinpath(name).is_file() for name in ("zarr.json", ".zgroup", ".zarray")):
        raise InputError(
            f"{str(path)!r} holds no latents (it is no zarr folder); give --data where it is a "
            "model that encodes images"
        )
    if not path.joinpath("zarr.json").is_file():
        raise InputError(
            f"{str(path)!r} is not of zarr's format 3; save it anew (zarr_format=3), or as .npy"
        )
    check_zarr(path)
    if read_json(path / "zarr.json", _ANEW).get("node_type") == "array":
        import zarr

        return {"": zarr.open_array(str(path), mode="r")[...]}
    with xr.open_zarr(path, consolidated=False, chunks=None, zarr_format=3) as held:
        loaded: xr.Dataset = held.load()
    return loaded


def _read_parquet(path: Path) -> Mapping[str, Any]:
    import pandas
    from pyarrow import parquet

    about = parquet.read_metadata(path)
    groups = [about.row_group(number) for number in range(about.num_row_groups)]
    columns = [group.column(number) for group in groups for number in range(group.num_columns)]
    needed = sum(_NUMBER * column.num_values for column in columns)
    check_room(path, needed, path.stat().st_size)
    return _of_frame(pandas.read_parquet(path), path.name)


def _of_frame(frame: Any, name: str) -> Mapping[str, Any]:
    """Return the latents of a table of pandas: its columns of lists, else all of numbers."""
    lists = [column for column in frame if len(frame) and np.ndim(frame[column].iloc[0]) > 0]
    if lists:
        return {str(column): as_numpy(list(frame[column]), f"{column!r}") for column in lists}
    numbers = frame.select_dtypes("floating")
    others = [str(column) for column in frame if column not in numbers]
    if not numbers.shape[1]:
        raise InputError(
            f"{name!r} has no column of floating point numbers, nor of lists of them: "
            f"{', '.join(others)}"
        )
    if others:
        warnings.warn(
            f"{name}: columns that hold no floating point numbers are left out "
            f"({', '.join(others)})",
            stacklevel=6,
        )
    return {str(column): frame[column].to_numpy() for column in frame} | {"": numbers.to_numpy()}


def _read_table(path: Path) -> Mapping[str, Any]:
    """Read a table that is written as text, with or without a line of names."""
    from latentgeo.latents.text_tables import read_table

    frame = read_table(path)
    if frame.shape[1] == 1 and frame.dtypes.iloc[0].kind != "f":  # labels
        return {"": frame.iloc[:, 0].to_numpy()}
    return _of_frame(frame, path.name)


_READERS: dict[str, Callable[[Path], Any]] = {
    ".npy": read_numpy,
    ".npz": read_numpy,
    **dict.fromkeys(_TENSORS, _read_tensors),
    ".nc": _read_netcdf,
    ".parquet": _read_parquet,
    ".csv": _read_table,
    ".tsv": _read_table,
    ".txt": _read_table,
    ".zarr": _read_zarr,
}


class _Given(NamedTuple):
    """Latents, and the type of numbers in which they came."""

    values: NDArray[Any]
    dtype: str


def _array_or_dataset(name: str, given: Any) -> _Given | xr.Dataset:
    found = read_latents(given) if isinstance(given, str | Path) else _of_object(name, given)
    if isinstance(found, xr.Dataset):
        return found
    values = as_numpy(found, f"latents {name!r}")
    dtype = _dtype_of(found, values)
    if dtype not in _DTYPES:
        raise InputError(
            f"latents {name!r} are of dtype {dtype}, expected floating point of 16 bits or more: "
            "whole numbers and objects are no latents; convert them if they are"
        )
    if values.ndim < 2 or 0 in values.shape:
        raise InputError(
            f"latents {name!r} have shape {values.shape}, expected a row for each input: (n, d), "
            "(n, C, H, W) or another order from 2 on, none of them 0"
        )
    values = values.astype(np.float64 if dtype == "float64" else values.dtype.newbyteorder("="))
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not finite.all():
        row = int(np.flatnonzero(~finite)[0])
        raise InputError(
            f"row {row} of latents {name!r} is not finite (NaN or infinite), and "
            f"{int((~finite).sum())} rows are not in all; leave these rows out"
        )
    return _Given(values, dtype)


def _of_object(name: str, given: Any) -> Any:
    """Return what holds the latents, of tables, data sets of xarray and loaders."""
    if isinstance(given, xr.Dataset) and not _is_encoding(given):
        return _member(name, _arrays_of(given), "", "give one of them")
    if is_frame(given):
        return _member(name, _of_frame(given, name), "", "give one of them")
    if hasattr(given, "to_numpy") and given.dtype == object:
        return list(given)
    return given


def _dtype_of(given: Any, values: NDArray[Any]) -> str:
    """Name the type of numbers; more than double precision counts as that."""
    first = given[0] if isinstance(given, list | tuple) and given else given
    if isinstance(first, Tensor):
        return str(first.dtype).removeprefix("torch.")
    wide = values.dtype.kind == "f" and values.dtype.itemsize > _NUMBER
    return "float64" if wide else values.dtype.name


def _by_level(noisy: Any) -> dict[float, Any]:
    """Return noisy latents by their levels, checked."""
    if noisy is None:
        return {}
    if not isinstance(noisy, Mapping):
        raise InputError(
            f"noisy latents are a {type(noisy).__name__}; expected a mapping of levels to them, as "
            "in {0.1: z_noisy}"
        )
    return {_checked_level(level): other for level, other in noisy.items()}


def _counterpart(name: str, given: Any, clean: NDArray[Any]) -> _Given:
    rows = rows_of(given, name)[0] if gives_rows(given) else given
    found = _array_or_dataset(name, rows)
    if isinstance(found, xr.Dataset) or found.values.shape != clean.shape:
        shape = "an encoding" if isinstance(found, xr.Dataset) else f"shape {found.values.shape}"
        raise InputError(
            f"latents {name!r} are {shape}, the clean ones have shape {clean.shape}; expected the "
            "same inputs in the same order"
        )
    return found


def _checked_level(level: Any) -> float:
    try:
        number = float(level)
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number) or number <= 0:
        raise InputError(
            f"level {level!r} of noisy latents cannot be used: expected a number above 0, which is "
            "the level of the clean ones"
        )
    return number


def _labels(given: Any, count: int) -> NDArray[np.int64]:
    """Return a class for each row: whole numbers, or places of names in their order."""
    found = read_latents(given, what="labels") if isinstance(given, str | Path) else given
    values = np.empty(0) if isinstance(found, xr.Dataset) else as_names(as_numpy(found, "labels"))
    values = values.astype(np.int64) if values.dtype == bool else values
    column = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    names = column.dtype.kind in "US"
    numbers = np.unique(column, return_inverse=True)[1] if names else column
    whole = numbers.dtype.kind in "iu" or (
        numbers.dtype.kind == "f" and np.array_equal(numbers, np.rint(numbers))
    )
    if numbers.shape != (count,) or not whole:
        raise InputError(
            f"labels have shape {values.shape} and dtype {values.dtype}, expected ({count},), "
            "whole numbers or names, one for each row of the latents"
        )
    return numbers.astype(np.int64)


def _perturbed(
    clean: NDArray[Any], rows: NDArray[np.int64], settings: AnalysisSettings
) -> dict[float, NDArray[Any]]:
    """Return latents under Gaussian noise of their own scale, where levels were asked for."""
    if "noise" not in settings.model_fields_set:
        return {}
    size = float(np.sqrt(np.mean(np.square(clean, dtype=np.float64))))
    normal = seeded_normal(
        clean.shape[1:], seed=settings.seed, indices=rows, stream=_STREAM
    ).numpy()
    return {
        _checked_level(level): (clean + level * size * normal).astype(clean.dtype)
        for level in settings.noise
        if level != 0
    }


def _as_tensors(
    levels: NDArray[Any], channels: str
) -> tuple[NDArray[np.floating], tuple[str, ...]]:
    """Return (levels, n, C, ...), in which vectors are 1×1, and what was done."""
    count, samples, *shape = levels.shape
    single = levels if levels.dtype == np.float64 else levels.astype(np.float32)
    if len(shape) == 1:
        return single.reshape(count, samples, -1, 1, 1), ()
    if channels == "first" or (channels == "auto" and len(shape) > 2):
        return single, ()
    note = f"latents of {'×'.join(map(str, shape))}: the last axis is taken as the channels"
    given = f"{note} ({_CHANNELS} first where they lead)" if channels == "auto" else note
    return np.moveaxis(single, -1, 2), (given,)


def _attributes(
    clean: NDArray[Any],
    dtype: str,
    levels: list[float],
    perturbation: str,
    settings: AnalysisSettings,
    notes: tuple[str, ...],
) -> dict[str, Any]:
    told = settings.model_dump(mode="json", include={"samples", "seed"})
    digest = hashlib.sha256(np.ascontiguousarray(clean).tobytes()).hexdigest()
    facts = provenance(
        weights_sha256="",
        latents_sha256=digest,
        latents_shape=list(clean.shape),
        noise=levels,
        perturbation=perturbation,
        notes=list(notes),
        settings=told,
    )
    return {
        "recipe": "latents",
        "backbone": "none",
        "stochastic": 0,
        "source_dtype": dtype,
        "provenance": json.dumps(facts),
    }


def _checked_encoding(name: str, found: xr.Dataset) -> xr.Dataset:
    wanted = ("recipe", "backbone", "stochastic", "source_dtype", "provenance")
    missing = [key for key in wanted if key not in found.attrs]
    axes = tuple(found["mean"].dims)
    if missing or axes != ("noise", "sample", *axis_names(len(axes) - 2)):
        raise InputError(
            f"latents {name!r} are not what `latentgeo encode` writes"
            f"{f' (no {missing[0]})' if missing else ''}; encode anew, or name an array in them, "
            f"as in FOLDER{_KEY}mean"
        )
    return found


def _perturbation_of(found: xr.Dataset, settings: AnalysisSettings) -> str:
    facts = json.loads(found.attrs["provenance"])
    return str(facts.get("perturbation", settings.perturbation))
