"""Batched solvers, routed to where they run fastest.

On the CPU a batch is split over threads, and most solvers run through NumPy: measured per matrix
on two cores, singular values of 128×49 take 175 µs there against torch's 550, QR 110 against 600.
Eigenvalues of matrices up to 128×128 are the exception (49×49: 48 against 35 µs). Both libraries
work through a batch one matrix after the other. Products of stacks take half the time in NumPy
(128×49 with its transpose: 14 against 25 µs). Tensors that carry gradients stay with torch.

On a card, batched eigenvalues above 32×32 are up to a hundred times too slow in some builds of
torch (pytorch issues 174674, 183806), and singular values are found matrix by matrix (10,000 of
128×49 on an H200: seconds): there the first call of each size measures both sides, and the faster
one gets the work from then on.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from time import perf_counter
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from latentgeo.geometry._scales import to_unit
from latentgeo.threads import blas, side_by_side

# In units of batch * rows * columns * smaller side; some 10 ms of work.
_WORTH_A_POOL = 2e7
_WORTH_ALL_THREADS = 5e8
_TORCH_EIGENVALUES_UP_TO = 128
_BLAS_THREADS_FROM = 800
_CARDS_ARE_FINE_UP_TO = 32
_TRIAL = 64
_MIRRORED = 1024
_FEW = 0.1  # up to this share of the eigenvectors, they alone take half the time of all
# Each holds a piece of up to 32 MiB: so many leave a quarter of the default budget.
_MOST_WORKERS = 24

_Solver = Literal["eigvalsh", "eigh", "svdvals", "svd"]


def eigvalsh(x: Tensor) -> Tensor:
    """Eigenvalues of symmetric matrices (..., n, n), ascending."""
    if _goes_through_the_cpu(x, "eigvalsh"):
        return eigvalsh(x.cpu()).to(x.device)
    if _stays_with_torch(x):
        values: Tensor = torch.linalg.eigvalsh(x)
        return values
    solve = _torch_eigenvalues if x.shape[-1] <= _TORCH_EIGENVALUES_UP_TO else np.linalg.eigvalsh
    (values,) = _stacked(lambda a: (solve(a),), x)
    return values


def eigh(x: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues, ascending, and eigenvectors of symmetric matrices (..., n, n)."""
    if _goes_through_the_cpu(x, "eigh"):
        values, vectors = eigh(x.cpu())
        return values.to(x.device), vectors.to(x.device)
    if _stays_with_torch(x):
        values, vectors = torch.linalg.eigh(x)
        return values, vectors
    values, vectors = _stacked(np.linalg.eigh, x)
    return values, vectors


def leading_eigh(x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Largest eigenvalues, ascending, and eigenvectors of symmetric matrices (..., n, n)."""
    if count > _FEW * x.shape[-1] or _stays_with_torch(x):
        values, vectors = eigh(x)
        return values[..., -count:], vectors[..., -count:]
    from scipy.linalg import eigh as scipy_eigh  # slow to import

    size = x.shape[-1]
    wanted = (size - count, size - 1)

    def solve(stack: Any) -> tuple[Any, Any]:
        found = [scipy_eigh(a, subset_by_index=wanted, check_finite=False) for a in stack]
        values, vectors = zip(*found, strict=True)
        return np.stack(values), np.stack(vectors)

    values, vectors = _stacked(solve, x)
    return values, vectors


def spectra_in_place(
    x: Tensor, direction: Tensor, energy: float | None = None
) -> tuple[Tensor, Tensor]:
    """Eigenvalues, ascending, of one symmetric matrix (n, n), too large for a copy, and centred.

    With u the unit vector along ``direction`` (n,), centred is x - ``energy``·uuᵀ, or without
    energy (1 - uuᵀ) x (1 - uuᵀ). In a basis that begins with u both differ from x in the first
    row and column alone, and Householder's reduction keeps that vector: one tridiagonal form,
    which is most of the work, does for both.
    """
    if len(x) == 1:
        return x[0].clone(), x[0] - energy if energy is not None else torch.zeros_like(x[0])
    mirror = _unit(direction)
    mirror[0] += torch.copysign(mirror.new_ones(()), mirror[0])
    _reflect(x, mirror)
    found = _dense_spectra(x, energy) if _stays_with_torch(x) else _reduced_spectra(x, energy)
    _reflect(x, mirror)
    _mirror_lower(x)
    return found


def eigh_in_place(x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Largest eigenvalues, ascending, and eigenvectors (n, count) of one such matrix."""
    from scipy.linalg import eigh as scipy_eigh  # slow to import

    if count == 0:
        return x.new_empty(0), x.new_empty(len(x), 0)
    if _stays_with_torch(x):
        values, vectors = eigh(x)
        return values[-count:], vectors[:, -count:]
    largest = (len(x) - count, len(x) - 1)
    values, vectors = _in_upper_triangle(
        x, lambda a: scipy_eigh(a, subset_by_index=largest, **_IN_PLACE)
    )
    return torch.from_numpy(values), torch.from_numpy(vectors)


def svdvals(x: Tensor) -> Tensor:
    """Singular values of matrices (..., m, n), descending."""
    if _goes_through_the_cpu(x, "svdvals"):
        return svdvals(x.cpu()).to(x.device)
    if _stays_with_torch(x):
        values: Tensor = torch.linalg.svdvals(x)
        return values
    (values,) = _stacked(lambda a: (np.linalg.svd(a, compute_uv=False),), x)
    return values


def svd(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Thin singular value decomposition U, s, Vᵀ of matrices (..., m, n)."""
    if _goes_through_the_cpu(x, "svd"):
        left, values, right = svd(x.cpu())
        return left.to(x.device), values.to(x.device), right.to(x.device)
    if _stays_with_torch(x):
        left, values, right = torch.linalg.svd(x, full_matrices=False)
        return left, values, right
    left, values, right = _stacked(lambda a: np.linalg.svd(a, full_matrices=False), x)
    return left, values, right


def qr(x: Tensor) -> tuple[Tensor, Tensor]:
    """Thin QR decomposition of matrices (..., m, n)."""
    if _stays_with_torch(x):
        q, r = torch.linalg.qr(x)
        return q, r
    q, r = _stacked(np.linalg.qr, x)
    return q, r


def map_tiles(
    function: Callable[[Any], Any], pieces: Iterable[Any], cost: float, x: Tensor
) -> list[Any]:
    """Apply a function to each piece of x, several at a time where the cost is worth threads.

    At the sizes of this package that is faster than one operation after the other on all threads.
    """
    listed = list(pieces)
    count = min(len(listed), workers(cost))
    if count <= 1 or _stays_with_torch(x):
        return [function(piece) for piece in listed]
    return side_by_side(function, listed, count)


def workers(cost: float) -> int:
    """Threads that work of this cost is worth; torch's own thread setting is the most."""
    return 1 if cost < _WORTH_A_POOL else max(1, min(torch.get_num_threads(), _MOST_WORKERS))


@contextmanager
def on_one_thread_if_small(cost: float) -> Iterator[None]:
    """Keep work of small cost (multiply-adds) on this thread: waking others takes longer."""
    threads = torch.get_num_threads()
    if threads == 1 or cost > _WORTH_ALL_THREADS:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def singular_values_by_squares(x: Tensor, count: Tensor, trusted: float) -> Tensor:
    """Singular values through the smaller Gram matrix, redone where squares lose digits.

    ``count`` values of each item (batch,) are not zero by construction; the others are, where
    rounding would leave its root. Where the last of them is below ``trusted`` times the first, its
    square would be known to eps/trusted² only.
    """
    x, unit = to_unit(x, (-2, -1))
    values = eigvalsh(small_gram(x)).flip(-1).clamp_min(0).sqrt()
    last = values.gather(-1, (count[:, None] - 1).clamp_min(0))[:, 0]
    doubtful = (last < trusted * values[:, 0]) & (count > 0)
    if bool(doubtful.any()):
        values[doubtful] = svdvals(x[doubtful])
    there = torch.arange(values.shape[-1], device=values.device) < count[:, None]
    return torch.where(there, values * unit[..., 0], 0.0)


def small_gram(x: Tensor) -> Tensor:
    """Return XXᵀ or XᵀX, whichever is smaller."""
    return product(x, x.mT) if x.shape[-2] <= x.shape[-1] else product(x.mT, x)


def product(a: Tensor, b: Tensor) -> Tensor:
    """Products of two stacks of small matrices; of XᵀX NumPy makes one half only."""
    if _stays_with_torch(a) or _stays_with_torch(b):
        return a @ b
    return torch.from_numpy(np.matmul(a.detach().numpy(), b.detach().numpy()))


def _torch_eigenvalues(x: Any) -> Any:
    return torch.linalg.eigvalsh(torch.from_numpy(x)).numpy()


def runs_through_numpy(x: Tensor) -> bool:
    """Return whether x is on the CPU and wants no gradients."""
    return x.device.type == "cpu" and not x.requires_grad


_IN_PLACE = {"lower": True, "overwrite_a": True, "check_finite": False}


def _in_upper_triangle(x: Tensor, solve: Callable[[Any], Any]) -> Any:
    """Protect the upper triangle that LAPACK overwrites: restore it from the lower one."""
    diagonal = x.diagonal().clone()
    # LAPACK counts by columns: what is the lower triangle to it is the upper one here.
    found = solve(x.numpy().T)
    _mirror_lower(x)
    x.diagonal().copy_(diagonal)
    return found


def _mirror_lower(x: Tensor) -> None:
    for start in range(0, len(x), _MIRRORED):
        stop = start + _MIRRORED
        x[start:stop, stop:] = x[stop:, start:stop].mT
        corner = x[start:stop, start:stop].tril()
        x[start:stop, start:stop] = corner + corner.tril(-1).mT


def _unit(x: Tensor) -> Tensor:
    """Return the unit vector along x, and the first of the basis along zero."""
    length = x.norm()
    return x / length if length > 0 else torch.eye(1, len(x), dtype=x.dtype, device=x.device)[0]


def _reflect(x: Tensor, mirror: Tensor) -> None:
    """Turn x into HxH with H the reflection along a vector."""
    scale = 2 / mirror.dot(mirror)
    moved = scale * (x @ mirror)
    moved -= scale / 2 * moved.dot(mirror) * mirror
    x.addr_(mirror, moved, alpha=-1).addr_(moved, mirror, alpha=-1)


def _reduced_spectra(x: Tensor, energy: float | None) -> tuple[Tensor, Tensor]:
    diagonal, beside = _in_upper_triangle(x, _tridiagonal)
    values = _tridiagonal_eigenvalues(diagonal, beside)
    if energy is None:
        rest = _tridiagonal_eigenvalues(diagonal[1:], beside[1:])
        return torch.from_numpy(values), torch.from_numpy(np.sort(np.append(rest, 0.0)))
    diagonal[0] -= energy
    return torch.from_numpy(values), torch.from_numpy(_tridiagonal_eigenvalues(diagonal, beside))


def _dense_spectra(x: Tensor, energy: float | None) -> tuple[Tensor, Tensor]:
    values = eigvalsh(x)
    if energy is None:
        rest = eigvalsh(x[1:, 1:])
        return values, torch.cat([rest, rest.new_zeros(1)]).sort().values
    corner = x[0, 0].clone()
    x[0, 0] -= energy
    centred = eigvalsh(x)
    x[0, 0] = corner
    return values, centred


def _tridiagonal(a: Any) -> tuple[Any, Any]:
    """Reduce a matrix in Fortran order, whose lower triangle is overwritten."""
    from scipy.linalg import lapack  # slow to import

    work = int(lapack.dsytrd_lwork(len(a), lower=1)[0])
    _, diagonal, beside, _, info = lapack.dsytrd(a, lower=1, lwork=work, overwrite_a=1)
    if info:
        raise ValueError(f"LAPACK's dsytrd refused its argument {-info}")
    return diagonal, beside


def _tridiagonal_eigenvalues(diagonal: Any, beside: Any) -> Any:
    from scipy.linalg import eigvalsh_tridiagonal  # slow to import

    if len(diagonal) == 1:
        return diagonal.copy()
    return eigvalsh_tridiagonal(diagonal, beside, check_finite=False, lapack_driver="sterf")


def _stays_with_torch(x: Tensor) -> bool:
    return not runs_through_numpy(x)


def _goes_through_the_cpu(x: Tensor, solver: _Solver) -> bool:
    rows, columns = x.shape[-2:]
    largest = max(rows, columns)
    if x.device.type != "cuda" or x.requires_grad or largest <= _CARDS_ARE_FINE_UP_TO:
        return False
    return card_is_slower(solver, str(x.device), *map(_rounded_up, (rows, columns)))


def _rounded_up(size: int) -> int:
    return int(2 ** (size - 1).bit_length())


@cache
def card_is_slower(solver: _Solver, device: str, rows: int, columns: int) -> bool:
    """Measure once, for a size, whether a card takes longer than a trip to the CPU."""
    x = torch.randn(_TRIAL, rows, columns, dtype=torch.float64, device=device)
    if solver in ("eigvalsh", "eigh"):
        x = x @ x.mT
    here = {"eigvalsh": eigvalsh, "eigh": eigh, "svdvals": svdvals, "svd": svd}[solver]
    thin = {"full_matrices": False} if solver == "svd" else {}
    there = partial(getattr(torch.linalg, solver), **thin)
    return _seconds(lambda: there(x), device) > _seconds(lambda: here(x.cpu()), device)


def _seconds(function: Callable[[], Any], device: str) -> float:
    function()
    start = perf_counter()
    function()
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return perf_counter() - start


def _alone(function: Callable[[Any], Any], stack: Any) -> tuple[Any, ...]:
    """Solve on this thread; BLAS' own threads slow matrices of middling size down."""
    if not 64 <= stack.shape[-1] <= _BLAS_THREADS_FROM or torch.get_num_threads() == 1:
        return tuple(function(stack))
    with blas().limit(limits=1, user_api="blas"):
        return tuple(function(stack))


def _stacked(function: Callable[[Any], Any], x: Tensor) -> list[Tensor]:
    """Run a stacked NumPy solver over the flattened batch, split over threads."""
    rows, columns = x.shape[-2:]
    flat = x.detach().reshape(-1, rows, columns).numpy()
    count = max(1, min(workers(float(flat.size) * min(rows, columns)), len(flat)))
    chunks = np.array_split(flat, count)
    if count == 1:
        parts = [_alone(function, flat)]
    else:
        parts = side_by_side(lambda chunk: tuple(function(chunk)), chunks, count)
    joined = (np.concatenate(p) if count > 1 else p[0] for p in zip(*parts, strict=True))
    return [torch.from_numpy(p).reshape(x.shape[:-2] + p.shape[1:]) for p in joined]
