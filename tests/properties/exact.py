"""The geometry again in forty digits, straight from the definitions: what the tests compare with.

Matrices are taken as they were given, rounding and all, and cut to the rank that they were made of.
"""

from typing import NamedTuple

import mpmath as mp

mp.mp.dps = 40


class Restricted(NamedTuple):
    """S = UΛUᵀ on its range."""

    basis: mp.matrix
    values: list
    rows: int

    def function(self, f):
        """Return U f(Λ) Uᵀ."""
        scaled = self.basis * mp.diag([f(value) for value in self.values])
        return scaled * self.basis.T if self.values else mp.zeros(self.rows)

    @property
    def half(self):
        return self.basis * mp.diag([mp.sqrt(value) for value in self.values])


def restricted(x, form, rank):
    """Restrict the matrix that a float64 array stands for to the range of its largest values."""
    x = mp.matrix(x.tolist())
    rows, columns = x.rows, x.cols
    if form == "matrix":
        s = (x + x.T) / 2
    else:
        if form == "unfolding":
            for i in range(rows):
                mean = mp.fsum(x[i, j] for j in range(columns)) / columns
                for j in range(columns):
                    x[i, j] -= mean
        s = x * x.T / (max(columns - 1, 1) if form == "unfolding" else 1)
    # The eigensolver's own tolerance is absolute.
    largest = max([abs(entry) for entry in s]) or mp.mpf(1)
    values, vectors = mp.eigsy(s / largest)
    kept = range(rows - 1, rows - 1 - rank, -1)
    basis = mp.matrix(rows, rank)
    for k, i in enumerate(kept):
        basis[:, k] = vectors[:, i]
    return Restricted(basis, [values[i] * largest for i in kept], rows)


def norm(x):
    return mp.sqrt(mp.fsum(abs(entry) ** 2 for entry in x))


def inner(x, y):
    return mp.fsum(a * b for a, b in zip(x, y, strict=True))


def singular(x):
    return list(mp.svd_r(x, compute_uv=False)) if x.rows and x.cols else []


def _projector(a):
    return a.function(lambda _: mp.mpf(1))


def _angles(a, b):
    return [mp.acos(min(cosine, mp.mpf(1))) for cosine in singular(a.basis.T * b.basis)]


def _relative(a, b):
    """Eigenvalues of A⁻¹B."""
    root = a.function(lambda value: 1 / mp.sqrt(value))
    return mp.eigsy(root * b.function(lambda value: value) * root, eigvals_only=True)


def _cholesky(a):
    """Return the strictly lower part of the factor, and the logarithms of its diagonal."""
    largest = max(a.values)
    lower = mp.cholesky(a.function(lambda value: value / largest)) * mp.sqrt(largest)
    below = [lower[i, j] for i in range(a.rows) for j in range(i)]
    return below + [mp.log(lower[i, i]) for i in range(a.rows)]


def _bonnabel_sepulchre(a, b, weight):
    if not a.values:
        return mp.mpf(0)
    left, _, right = mp.svd_r(a.basis.T * b.basis)
    first = left.T * mp.diag(a.values) * left
    second = right * mp.diag(b.values) * right.T
    values, vectors = mp.eigsy(first)
    root = vectors * mp.diag([1 / mp.sqrt(value) for value in values]) * vectors.T
    logs = [mp.log(value) for value in mp.eigsy(root * second * root, eigvals_only=True)]
    turned = mp.fsum(angle**2 for angle in _angles(a, b))
    return mp.sqrt(turned + weight * mp.fsum(one**2 for one in logs))


def _features(name, a, weight):
    if name == "log-cholesky":
        return _cholesky(a)
    log = list(a.function(mp.log)) if name in ("pseudo-log", "log-euclidean") else []
    if name == "log-euclidean":
        return log
    if name == "square-root":
        return list(a.function(mp.sqrt))
    if name == "euclidean":
        return list(a.function(lambda value: value))
    half = [entry / mp.sqrt(2) for entry in _projector(a)]
    return half + [mp.sqrt(weight) * entry for entry in log]


FLAT = ("projection", "pseudo-log", "log-euclidean", "square-root", "euclidean", "log-cholesky")


def kernel(name, a, b, weight=1.0):
    """Return the inner product of the features of a kernel."""
    return inner(_features(name, a, weight), _features(name, b, weight))


def distance(name, a, b, weight=1.0):
    """Return the distance between two restricted matrices."""
    if name in FLAT:
        pairs = zip(_features(name, a, weight), _features(name, b, weight), strict=True)
        return norm([x - y for x, y in pairs])
    if name == "projection-arc":
        absent = abs(len(a.values) - len(b.values)) * (mp.pi / 2) ** 2
        return mp.sqrt(mp.fsum(angle**2 for angle in _angles(a, b)) + absent)
    if name == "bures-wasserstein":
        nuclear = mp.fsum(singular(a.half.T * b.half))
        return mp.sqrt(max(mp.fsum(a.values) + mp.fsum(b.values) - 2 * nuclear, 0))
    if name == "affine-invariant":
        return norm([mp.log(value) for value in _relative(a, b)])
    if name == "stein":
        return mp.fsum(mp.log((1 + v) / (2 * mp.sqrt(v))) for v in _relative(a, b))
    assert name == "bonnabel-sepulchre"
    return _bonnabel_sepulchre(a, b, mp.mpf(weight))
