"""Weights that others saved: read without ever unpickling, checked before they are trusted."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from latentgeo.checkpoints._safetensors import load_safetensors
from latentgeo.checkpoints._torch_files import load_legacy, load_torch, refuse_code
from latentgeo.checkpoints.cleaning import Fit, fit_tensors, unwrap
from latentgeo.checkpoints.kinds import Kind, describe_unknown, existing_file, kind_of, read_start
from latentgeo.checkpoints.programs import MAX_BYTES, check_export_archive, check_torchscript
from latentgeo.errors import InputError
from latentgeo.files import sha256_of_file

__all__ = [
    "MAX_BYTES",
    "Fit",
    "Kind",
    "Weights",
    "check_export_archive",
    "check_torchscript",
    "fit_weights",
    "kind_of",
    "read_weights",
]

_CHUNK = 1 << 22  # numbers that are looked at in one go
_SMALL = 1 << 20  # an expanded tensor of so many bytes does no harm
_OTHERS = {
    "torchscript": "a TorchScript archive, which is a whole model; open it as such, not as weights",
    "torch-export": "a torch.export archive (.pt2), which is a whole model; open it as such, not "
    "as weights",
}


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
    """

    tensors: dict[str, Tensor]
    notes: tuple[str, ...]
    sha256: str
    path: Path


def read_weights(
    path: str | Path, *, max_bytes: int = MAX_BYTES, ema: bool | None = None
) -> Weights:
    """Read a file of weights without running anything that it holds.

    Parameters
    ----------
    path : str or pathlib.Path
        A file of safetensors or of torch.save (.pt, .pth, .ckpt, .bin), told apart by content.
    max_bytes : int, default=32 GiB
        Most bytes that the file and its tensors may have.
    ema : bool, optional
        Take the averaged weights from a checkpoint of training that holds both. Otherwise the
        plain ones are taken, and the averaged ones only where there are no others; the notes
        tell.

    Returns
    -------
    Weights
        The tensors, what was done, and the file's hash.

    Raises
    ------
    InputError
        When the file is missing, of another kind, damaged or cut short, lies about its sizes,
        would import what weights do not need (the message names it), or holds no weights, ones
        that are sparse or quantised, or numbers that are not finite.
    """
    place = existing_file(path)
    size = place.stat().st_size
    if size > max_bytes:
        raise InputError(
            f"{str(place)!r} has {size} bytes, expected at most {max_bytes}; allow more with "
            "max_bytes if it is what you want"
        )
    found, notes = unwrap(_load(place, max_bytes), place, ema)
    tensors = {name: tensor.detach() for name, tensor in found.items()}
    for name, tensor in tensors.items():
        _check_form(name, tensor, place)
    _check_total(tensors, place, max_bytes)
    for name, tensor in tensors.items():
        _check_finite(name, tensor, place)
    return Weights(tensors, notes, sha256_of_file(place), place)


def fit_weights(
    module: torch.nn.Module,
    weights: Weights,
    *,
    strict: bool = True,
    prefix: str | None = None,
    path: str | Path | None = None,
) -> Fit:
    """Load weights into a module, whatever training wrapped around their names.

    Prefixes such as "module." (DataParallel), "_orig_mod." (torch.compile) or "net." (Lightning)
    are taken off where the names fit then, and the notes say so. Numbers are converted to the
    module's type. The module is changed only when everything fits.

    Parameters
    ----------
    module : torch.nn.Module
        Where they go.
    weights : Weights
        What `read_weights` gives.
    strict : bool, default=True
        Refuse weights that miss tensors of the module or hold others. If false, those are left
        as they are, with a warning.
    prefix : str, optional
        Take the tensors whose names begin so, and take that off.
    path : str or pathlib.Path, optional
        What messages call the weights; their file if None.

    Returns
    -------
    Fit
        Names that are missing and that are unexpected, and what was done.

    Raises
    ------
    InputError
        When names or shapes do not fit.
    """
    name = str(path if path is not None else weights.path)
    return fit_tensors(module, weights.tensors, name, strict=strict, prefix=prefix)


def _load(path: Path, max_bytes: int) -> object:
    kind = kind_of(path)
    if kind == "safetensors":
        return load_safetensors(path)
    if kind == "torch":
        return load_torch(path, max_bytes)
    if kind == "torch-legacy":
        return load_legacy(path)
    if kind in _OTHERS:
        raise InputError(f"{str(path)!r} is {_OTHERS[kind]}")
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
    """Give the numbers piece by piece, so that a mapped tensor never lies in memory whole."""
    for part in tensor.reshape(-1).split(_CHUNK):  # type: ignore[no-untyped-call]
        yield part if part.is_complex() or part.element_size() > 1 else part.float()


def _nbytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
