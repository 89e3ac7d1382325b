"""From NumPy to torch."""

from typing import Any

import numpy as np
import torch
from torch import Tensor


def to_tensor(values: Any) -> Tensor:
    """Return an array as a tensor of its dtype, copied only where torch cannot share its memory.

    Parameters
    ----------
    values : array_like
        Numbers. Arrays that are read-only (memory-mapped, say), lie backwards or have another byte
        order are copied.

    Returns
    -------
    torch.Tensor
        On the CPU.
    """
    array = np.asarray(values)
    native = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    owned = native if native.flags.writeable else native.copy()
    return torch.from_numpy(owned.reshape(array.shape))
