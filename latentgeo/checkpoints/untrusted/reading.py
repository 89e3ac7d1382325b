"""Weights that others saved: read without ever unpickling, checked before they are trusted."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from latentgeo.checkpoints.untrusted.indices import is_index, read_index
from latentgeo.checkpoints.untrusted.kinds import (
    describe_unknown,
    existing_file,
    kind_of,
    read_start,
)
from latentgeo.checkpoints.untrusted.safetensors_files import load_safetensors
from latentgeo.checkpoints.untrusted.torch_files import Loaded, load_legacy, load_torch, refuse_code
from latentgeo.checkpoints.untrusted.unwrapping import settings_in, unwrap
from latentgeo.errors import InputError
from latentgeo.files import sha256_of_file

MAX_BYTES = 32 << 30
_SHOWN = 5
_CHUNK = 1 << 22  # numbers that are looked at in one go
_SMALL = 1 << 20  # an expanded tensor of so many bytes does no harm
_PROGRAMS = ("torchscript", "torch-export")


class Program(NamedTuple):
    """An archive that is a program: found, and not opened.

    Attributes
    ----------
    kind : str
        "torchscript" or "torch-export".
    path : pathlib.Path
        The file.
    """

    kind: str
    path: Path


class Weights(NamedTuple):
    """Tensors by name, and how they were found.

    Attributes
    ----------
    tensors : dict of str to torch.Tensor
        On the CPU, in the types of the file, every number finite. They may be mapped: leave the
        file as it is while they are in use.
    notes : tuple of str
        What was done to what the file holds, and what was left aside.
    sha256 : str
        Of the file.
    path : pathlib.Path
        The file.
    files : tuple of pathlib.Path
        All files that were read; those of an index, where `path` is one.
    settings : mapping
        Numbers and texts that training saved beside the weights as its settings, by name.
    """

    tensors: dict[str, Tensor]
    notes: tuple[str, ...]
    sha256: str
    path: Path
    files: tuple[Path, ...] = ()
    settings: Mapping[str, Any] = MappingProxyType({})


def read_untrusted(
    path: str | Path,
    *,
    max_bytes: int = MAX_BYTES,
    ema: bool | None = None,
    nameless: bool = False,
) -> Weights | Program:
    """Read the weights that a file holds, without running anything, or name it a program.

    Parameters
    ----------
    path : str or pathlib.Path
        A file of safetensors or of torch.save (.pt, .pth, .ckpt, .bin), told apart by content;
        or the index (.index.json) of such files, into which the weights are split.
    max_bytes : int, default=32 GiB
        Most bytes that the file and its tensors may have.
    ema : bool, optional
        Take the averaged weights from a checkpoint of training that holds both. Otherwise the
        plain ones are taken, and the averaged ones only where there are no others; the notes
        tell.
    nameless : bool, default=False
        Take a tensor alone too, which is named "", and several, which are named by their places.

    Returns
    -------
    Weights or Program
        The tensors, what was done, and the file's hash; or what kind of program it is.

    Raises
    ------
    InputError
        When the file is missing, of another kind, damaged or cut short, lies about its sizes,
        would import what weights do not need (the message names it), or holds no weights, ones
        that are sparse or quantised, or numbers that are not finite.
    """
    place = existing_file(path)
    if is_index(place):
        return _read_split(place, max_bytes, ema)
    kind = kind_of(place)
    if kind in _PROGRAMS:
        return Program(kind, place)
    size = place.stat().st_size
    if size > max_bytes:
        raise InputError(
            f"{str(place)!r} has {size} bytes, expected at most {max_bytes}; allow more with "
            "max_bytes if it is what you want"
        )
    content, skipped = _load(place, kind, max_bytes)
    found, notes = unwrap(_named(content) if nameless else content, place, ema)
    if skipped:
        shown = ", ".join(map(repr, skipped[:_SHOWN]))
        more = f" and {len(skipped) - _SHOWN} more" if len(skipped) > _SHOWN else ""
        notes = (*notes, f"passed over, without running it, what needs {shown}{more}")
    tensors = {name: tensor.detach() for name, tensor in found.items()}
    for name, tensor in tensors.items():
        _check_form(name, tensor, place)
    _check_total(tensors, place, max_bytes)
    for name, tensor in tensors.items():
        _check_finite(name, tensor, place)
    digest = sha256_of_file(place)
    return Weights(tensors, notes, digest, place, (place,), settings_in(content))


def _named(content: object) -> object:
    if isinstance(content, Tensor):
        return {"": content}
    if isinstance(content, list | tuple) and all(isinstance(one, Tensor) for one in content):
        return {str(place): tensor for place, tensor in enumerate(content)}
    return content


def _read_split(index: Path, max_bytes: int, ema: bool | None) -> Weights:
    """Read the files that an index lists, each with the tensors that it lists for it."""
    tensors: dict[str, Tensor] = {}
    files: list[Path] = [index]
    notes: list[str] = []
    for name, listed in read_index(index).items():
        part = read_untrusted(index.parent / name, max_bytes=max_bytes, ema=ema)
        if isinstance(part, Program) or set(part.tensors) != set(listed):
            raise InputError(
                f"{name!r} does not hold the tensors that {str(index)!r} lists for it; copy both "
                "again from where they came"
            )
        tensors |= part.tensors
        files += part.files
        notes += part.notes
    _check_total(tensors, index, max_bytes)
    joined = f"joined {len(files) - 1} files of {index.name!r}"
    return Weights(tensors, (joined, *notes), sha256_of_file(index), index, tuple(files))


def _load(path: Path, kind: str, max_bytes: int) -> Loaded:
    if kind == "safetensors":
        return load_safetensors(path), []
    if kind == "torch":
        return load_torch(path, max_bytes)
    if kind == "torch-legacy":
        return load_legacy(path)
    refuse_code(path)
    raise InputError(f"{str(path)!r} is {describe_unknown(read_start(path))}")


def _check_form(name: str, tensor: Tensor, path: Path) -> None:
    if tensor.is_quantized:
        form = "quantised"
    elif tensor.is_nested or tensor.layout != torch.strided:
        form = "sparse or nested"
    elif tensor.is_meta:
        form = "without values (on the meta device)"
    elif _nbytes(tensor) > max(_SMALL, tensor.untyped_storage().nbytes()):
        form = f"expanded to {_nbytes(tensor)} bytes from fewer"
    else:
        return
    raise InputError(
        f"tensor {name!r} in {str(path)!r} is {form}, expected a dense one of floating-point "
        "numbers; convert it where it was saved"
    )


def _check_total(tensors: dict[str, Tensor], path: Path, max_bytes: int) -> None:
    """Check the sizes that tensors claim: many can share one storage."""
    total = sum(_nbytes(tensor) for tensor in tensors.values())
    if total > max_bytes:
        raise InputError(
            f"the tensors in {str(path)!r} take {total} bytes, expected at most {max_bytes}; "
            "allow more with max_bytes if it is what you want"
        )


def _check_finite(name: str, tensor: Tensor, path: Path) -> None:
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return
    broken = sum(int((~torch.isfinite(part)).sum()) for part in _parts(tensor))
    if broken:
        raise InputError(
            f"tensor {name!r} in {str(path)!r} holds {broken} values that are NaN or infinite; "
            "use an earlier checkpoint"
        )


def _parts(tensor: Tensor) -> Iterator[Tensor]:
    """Return the numbers piece by piece, so that a mapped tensor never lies in memory whole."""
    for part in tensor.reshape(-1).split(_CHUNK):  # type: ignore[no-untyped-call]
        yield part if part.is_complex() or part.element_size() > 1 else part.float()


def _nbytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
