"""Whatever holds numbers in Python as a NumPy array."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.errors import InputError, reason_of

# torch has more types of floating point than NumPy.
_OF_BOTH = (torch.float16, torch.float32, torch.float64)


def is_frame(value: Any) -> bool:
    """Return whether an object is a table of pandas, which need not be loaded to tell."""
    return hasattr(value, "to_numpy") and hasattr(value, "columns")


def fits_numpy(tensor: Tensor) -> bool:
    """Return whether NumPy has a tensor's type of numbers."""
    return tensor.dtype in _OF_BOTH or not tensor.is_floating_point()


def as_numpy(given: Any, what: str) -> NDArray[Any]:
    """Return an array of what is one.

    Parameters
    ----------
    given : array_like, torch.Tensor or sequence of tensors
        On any device, sparse or not, with derivatives or without.
    what : str
        What messages call it, in the plural.

    Returns
    -------
    numpy.ndarray
        Of its own type of numbers; in single precision where NumPy lacks that, as bfloat16.

    Raises
    ------
    InputError
        When it is no array, has no values, or hides some of them.
    """
    if isinstance(given, list | tuple) and given and all(isinstance(one, Tensor) for one in given):
        return _stacked([_of_tensor(one, what) for one in given], what)
    if isinstance(given, Tensor):
        return _of_tensor(given, what)
    if np.ma.is_masked(given):
        raise InputError(f"{what} hide values behind a mask; fill them, or leave these rows out")
    try:
        found = np.asarray(given)
    except Exception as error:  # what is foreign may raise anything
        raise _no_array(what, reason_of(error)) from error
    if found.dtype == object and found.ndim == 0:
        raise _no_array(what, f"it is a {type(given).__name__}")
    return found


def as_names(values: NDArray[Any]) -> NDArray[Any]:
    """Return names that came as objects, as pandas has them, as texts; all else as it is."""
    named = values.dtype == object and all(isinstance(one, str) for one in values.flat)
    return values.astype(str) if named else values


def _of_tensor(given: Tensor, what: str) -> NDArray[Any]:
    if given.is_meta:
        raise InputError(f"{what} lie on the meta device, without values; make them on another")
    if given.is_nested or given.is_quantized:
        raise InputError(
            f"{what} are a tensor that is {'nested' if given.is_nested else 'quantized'}; expected "
            "a plain one (to_padded_tensor, dequantize)"
        )
    values = given.detach().cpu()
    values = values if values.layout == torch.strided else values.to_dense()
    known = values.resolve_conj() if fits_numpy(values) else values.float()
    found: NDArray[Any] = known.numpy()
    return found


def _stacked(rows: list[NDArray[Any]], what: str) -> NDArray[Any]:
    if len({row.shape for row in rows}) > 1:
        raise _no_array(what, "tensors of several shapes")
    return np.stack(rows)


def _no_array(what: str, why: str) -> InputError:
    return InputError(
        f"{what} cannot be an array ({why}); expected numbers in rows of one length, as an array "
        "or a tensor"
    )
