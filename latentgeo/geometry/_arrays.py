"""The boundary: torch or NumPy in, float64 torch inside, the same kind out."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from latentgeo.arrays import to_tensor

Array = npt.NDArray[Any] | Tensor
"""What users give and get: a NumPy array (or anything that converts to one) or a torch tensor."""

DType = str | torch.dtype | np.dtype[Any] | type

A = TypeVar("A", bound=Any)


def enter(x: A) -> tuple[Tensor, Callable[[Tensor], A]]:
    """Return x as a float64 tensor on its own device, and the way back to x's kind."""
    if isinstance(x, Tensor):
        return x.to(torch.float64), _as_torch
    return _from_numpy(x), _as_numpy


def enter_raw(x: A) -> tuple[Tensor, Callable[[Tensor], A]]:
    """Return x as a tensor in its own precision: for functions that convert it tile by tile."""
    if isinstance(x, Tensor):
        return (x if x.dtype.is_floating_point else x.to(torch.float64)), _as_torch
    array = np.asarray(x)
    if array.dtype not in (np.float16, np.float32, np.float64):
        return _from_numpy(array), _as_numpy
    return to_tensor(array), _as_numpy


def enter_pair(
    x: A, y: Any | None, raw: bool = False
) -> tuple[Tensor, Tensor | None, Callable[[Tensor], A]]:
    """Return two arrays as float64 tensors on the device of the first, and the way back."""
    convert = enter_raw if raw else enter
    inside, back = convert(x)
    if y is None:
        return inside, None, back
    other, _ = convert(y)
    if isinstance(y, Tensor) and not isinstance(x, Tensor):
        return inside.to(other.device), other, _as_torch
    return inside, other.to(inside.device), back


def epsilon(*sources: Any) -> float:
    """Return the coarsest epsilon among dtypes and arrays; whole numbers count as float64."""
    return max(torch.finfo(_float_dtype(source)).eps for source in sources)


def source_epsilon(x: Any, source_dtype: DType | None) -> float:
    """Return the epsilon of what the numbers were computed in: told, or that of what they are."""
    if source_dtype is not None:
        return epsilon(source_dtype)
    return epsilon(x if hasattr(x, "dtype") else "float64")


def is_coarse(eps: float) -> bool:
    """Return whether float64 squares still resolve what this epsilon can: float32 and below."""
    return eps >= torch.finfo(torch.float32).eps


def _float_dtype(source: Any) -> torch.dtype:
    dtype = source if isinstance(source, type) else getattr(source, "dtype", source)
    if not isinstance(dtype, torch.dtype):
        name = dtype if isinstance(dtype, str) else np.dtype(dtype).name
        dtype = getattr(torch, name) if name in _TORCH_FLOATS else torch.float64
    return dtype if dtype.is_floating_point else torch.float64


_TORCH_FLOATS = frozenset({"bfloat16", "float16", "float32", "float64"})


def _from_numpy(x: Any) -> Tensor:
    """Copy only where the dtype or the layout asks for it."""
    array = np.asarray(x)
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"expected an array of real numbers, got dtype {array.dtype}; convert it to float first"
        )
    return to_tensor(array.astype(np.float64, copy=False))


def _as_torch(x: Tensor) -> Any:
    return x


def _as_numpy(x: Tensor) -> Any:
    """Return an array, or a scalar for zero dimensions, as NumPy's own reductions do."""
    return x.detach().cpu().numpy()[()]
