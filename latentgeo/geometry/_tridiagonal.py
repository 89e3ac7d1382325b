"""Tridiagonal forms of many symmetric matrices, on the CPU.

NumPy and torch offer whole eigenproblems only. Of one the reduction to tridiagonal form is less
than half the work (49×49: 28 of 66 µs), and a sum over the spectrum needs no more than that.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentgeo.geometry._tiles import tiles

_LAPACK_FROM = 20
_MATRICES_AT_ONCE = 1024
_BLOCK = 8
_ARGUMENTS_OF_DSYTRD = 10
_INTEGERS_OF_DSYTRD = 4


def tridiagonal(x: Tensor) -> tuple[Tensor, Tensor] | None:
    """Reduce matrices (batch, n, n), which are overwritten; the batch comes last.

    Gives the diagonals (n, batch) and the squares beside them (n - 1, batch), or nothing where
    there is no LAPACK to be found.
    """
    if x.shape[-1] < _LAPACK_FROM:
        parts = [_by_reflections(x[tile]) for tile in tiles(len(x), 1.0, _MATRICES_AT_ONCE)]
        diagonals, squares = (torch.cat(part, -1) for part in zip(*parts, strict=True))
        return diagonals, squares
    reduce = _dsytrd()
    return None if reduce is None else _by_lapack(x, reduce)


def _by_reflections(x: Tensor) -> tuple[Tensor, Tensor]:
    """Householder's reduction of all matrices at once: fast where they are small."""
    x = x.permute(1, 2, 0).contiguous()
    size = len(x)
    squares = x.new_empty(max(size - 1, 0), x.shape[-1])
    for k in range(size - 2):
        v = x[k + 1 :, k].clone()
        squares[k] = v.square().sum(0)
        length = torch.copysign(squares[k].sqrt(), v[0])
        v[0] += length
        # 2/‖v‖², and any finite number where there is nothing to reflect.
        scale = (length * v[0]).clamp_min(torch.finfo(x.dtype).tiny).reciprocal()
        rest = x[k + 1 :, k + 1 :]
        w = (rest * v).sum(1) * scale
        w -= (w * v).sum(0) * scale / 2 * v
        outer = v[:, None] * w
        rest -= outer
        rest -= outer.transpose(0, 1)
    if size > 1:
        squares[-1] = x[-1, -2].square()
    return x.diagonal().mT.contiguous(), squares


def _by_lapack(x: Tensor, reduce: Callable[..., None]) -> tuple[Tensor, Tensor]:
    """Call LAPACK for one matrix after the other; it takes the lower triangle of Fortran order."""
    count, size, _ = x.shape
    matrices = np.ascontiguousarray(x.numpy())
    diagonals, beside = np.empty((count, size)), np.empty((count, size))
    reflectors, work = np.empty(size), np.empty(_BLOCK * size)
    lower, n = ctypes.c_char(b"L"), ctypes.c_int(size)
    length, info = ctypes.c_int(len(work)), ctypes.c_int()
    # Addresses once: to look each up takes as long as a tenth of the work.
    lower_at, n_at = ctypes.addressof(lower), ctypes.addressof(n)
    length_at, info_at = ctypes.addressof(length), ctypes.addressof(info)
    reflectors_at, work_at = reflectors.ctypes.data, work.ctypes.data
    a, d, e = matrices.ctypes.data, diagonals.ctypes.data, beside.ctypes.data
    a_step, step = matrices.strides[0], diagonals.strides[0]
    for k in range(count):
        reduce(
            lower_at,
            n_at,
            a + k * a_step,
            n_at,
            d + k * step,
            e + k * step,
            reflectors_at,
            work_at,
            length_at,
            info_at,
        )
    squares = np.square(beside[:, : size - 1].T)
    return torch.from_numpy(diagonals.T.copy()), torch.from_numpy(squares)


@cache
def _dsytrd() -> Callable[..., None] | None:
    """Find LAPACK's function by the address that SciPy gives out; calls leave the GIL alone."""
    from scipy.linalg import cython_lapack  # slow to import

    capsule: Any = getattr(cython_lapack, "__pyx_capi__", {}).get("dsytrd")
    if capsule is None:
        return None
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype = ctypes.c_char_p
    api.PyCapsule_GetName.argtypes = [ctypes.py_object]
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    signature = api.PyCapsule_GetName(capsule)
    if signature.count(b"int *") != _INTEGERS_OF_DSYTRD:  # a build with long integers
        return None
    prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * _ARGUMENTS_OF_DSYTRD)
    return prototype(api.PyCapsule_GetPointer(capsule, signature))
