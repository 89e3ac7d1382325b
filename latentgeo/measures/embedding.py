"""The latents as points of a Hilbert space: Gram matrices, spectra, angles."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import combinations_with_replacement
from math import isfinite
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentgeo import processes
from latentgeo.geometry import (
    PointStream,
    StreamSpectra,
    StreamSpectrum,
    axes_angles,
    gram_dimension,
    rkhs_principal_angles,
    stream_gram,
    stream_spectra,
)
from latentgeo.geometry.hilbert import continuous_dimension, gram_block
from latentgeo.measures.latents import (
    SHARES,
    LatentReader,
    feature_width,
    point_streams,
    small_shares,
)
from latentgeo.settings import AnalysisSettings

CENTRINGS = ("centred", "uncentred")


class Grams(NamedTuple):
    """Gram matrices of the product kernel on some images.

    Attributes
    ----------
    within : torch.Tensor of shape (noise, m, m)
        Of each level; the product kernel is the sum over the modes.
    cross : torch.Tensor of shape (noise - 1, m, m)
        Between the clean latents (rows) and those at each other level (columns).
    """

    within: Tensor
    cross: Tensor

    def of(self, chosen: Tensor) -> "Grams":
        """Return the Gram matrices of some of the images, by their places."""
        return Grams(gram_block(self.within, chosen), gram_block(self.cross, chosen))


class _Level(NamedTuple):
    """One noisy level of a view."""

    within: Tensor  # (m, m), its Gram matrix
    cross: Tensor  # (m, m), with the clean latents as rows
    dimension: Tensor  # (part, share, centring)
    interpolated: Tensor  # (share,)
    small: Tensor  # (part,)
    angles: Tensor = torch.empty(1, 0)  # degrees; none where they are not those of all images


class Embedding(NamedTuple):
    """One view in the kernel's space.

    Attributes
    ----------
    parts : tuple of str
        The modes and their product.
    dimension : torch.Tensor of shape (noise, part, share, centring)
        Dimensions of all images.
    interpolated : torch.Tensor of shape (noise, share)
        That of the product, centred, between integers.
    small : torch.Tensor of shape (noise, part)
        Share of the variance that eigenvalues next to the noise floor make, of some of the
        compared images; NaN where features are no functions of eigenvalues.
    angles : torch.Tensor of shape (noise, angle)
        Degrees, ascending, between the clean subspace and that of each level.
    angle_images : int
        Images that span the subspaces: all, or the compared ones.
    grams : Grams
        Of the images that are compared with one another.
    """

    parts: tuple[str, ...]
    dimension: Tensor
    interpolated: Tensor
    small: Tensor
    angles: Tensor
    angle_images: int
    grams: Grams


def embed(
    reader: LatentReader, compared: NDArray[np.int64], source_dtype: str, settings: AnalysisSettings
) -> Embedding:
    """Find the spectra of all latents of a view, and the Gram matrices of some of them.

    Parameters
    ----------
    reader : LatentReader
        The latents.
    compared : numpy.ndarray of shape (m,)
        Positions of the images that are compared with one another.
    source_dtype : str
        What the latents were computed in.
    settings : AnalysisSettings
        The kernel, share and order of the angles.

    Returns
    -------
    Embedding
        One level after the other, each in shards.
    """
    some = reader.take(compared)
    all_compared = some is reader
    width = feature_width(reader.shape, settings)
    # Without features the axes of all images are not to be had.
    of_all = (
        not all_compared and isfinite(width) and min(reader.samples, width) <= settings.angle_order
    )

    def look(level: int) -> tuple[dict[str, PointStream], _Level, StreamSpectra]:
        streams = point_streams(reader, level, source_dtype, settings)
        few = streams if all_compared else point_streams(some, level, source_dtype, settings)
        grams = _mode_grams(few)
        found = stream_spectra(
            streams,
            share=settings.angle_share if of_all else None,
            grams=grams if all_compared else None,
        )
        small = _small(small_shares(some, level, source_dtype, settings), grams)
        seen = _Level(
            _sum(grams), torch.empty(0), _all_dimensions(found), _interpolated(found), small
        )
        return few, seen, found

    clean, own, at_origin = look(0)
    origin = at_origin.whole.axes

    def compare(level: int) -> _Level:
        few, seen, found = look(level)
        cross = _sum(_mode_grams(clean, few))
        return seen._replace(cross=cross, angles=_degrees_between(origin, found))

    # The clean level is looked at by every process, for the others are compared with it.
    noisy = processes.do_all(
        [partial(compare, level) for level in range(1, reader.levels)],
        at_once=reader.levels_at_once,
    )
    levels = [own._replace(angles=_degrees_between(origin, at_origin)), *noisy]
    grams = _stacked([one.within for one in levels], [one.cross for one in noisy])
    return Embedding(
        tuple(_named(at_origin)),
        torch.stack([one.dimension for one in levels]),
        torch.stack([one.interpolated for one in levels]),
        torch.stack([one.small for one in levels]),
        torch.cat(padded([one.angles for one in levels]))
        if of_all
        else angles_of(grams, settings.angle_share),
        reader.samples if of_all else some.samples,
        grams,
    )


def gram_matrices(reader: LatentReader, source_dtype: str, settings: AnalysisSettings) -> Grams:
    """Return the Gram matrices of all latents of a (small) reader."""
    levels = [
        point_streams(reader, level, source_dtype, settings) for level in range(reader.levels)
    ]
    within = [_sum(_mode_grams(one)) for one in levels]
    cross = [_sum(_mode_grams(levels[0], one)) for one in levels[1:]]
    return _stacked(within, cross)


def gram_over_levels(
    reader: LatentReader,
    grams: Grams,
    levels: Sequence[int],
    source_dtype: str,
    settings: AnalysisSettings,
) -> Tensor:
    """Return the Gram matrix of some levels of a (small) view together, level by level.

    Parameters
    ----------
    reader : LatentReader
        The compared latents.
    grams : Grams
        Theirs, in which most of it is there already.
    levels : sequence of int
        Indices of the levels, ascending.
    source_dtype : str
        What the latents were computed in.
    settings : AnalysisSettings
        The kernel.

    Returns
    -------
    torch.Tensor of shape (levels * m, levels * m)
    """
    streams = {level: point_streams(reader, level, source_dtype, settings) for level in levels}

    def block(first: int, second: int) -> Tensor:
        if first == second:
            return grams.within[first]
        if first == 0:
            return grams.cross[second - 1]
        return _sum(_mode_grams(streams[first], streams[second]))

    found = {pair: block(*pair) for pair in combinations_with_replacement(levels, 2)}
    found |= {(second, first): gram.mT for (first, second), gram in found.items()}
    return torch.cat([torch.cat([found[one, other] for other in levels], -1) for one in levels])


def draw_halves(samples: int, settings: AnalysisSettings) -> Tensor:
    """Draw random halves of the images: integers (halves, n // 2)."""
    rng = np.random.default_rng(settings.seed)
    drawn = [rng.permutation(samples)[: samples // 2] for _ in range(settings.halves)]
    return torch.from_numpy(np.stack(drawn))


def _degrees_between(clean: Tensor | None, found: StreamSpectra) -> Tensor:
    """Return the angles of a level in degrees, ascending: (1, angle); none without axes."""
    axes = found.whole.axes
    if clean is None or axes is None:
        return torch.empty(1, 0)
    if axes is clean:  # the clean set against itself needs no measurement
        return torch.zeros(1, clean.shape[1], dtype=clean.dtype)
    return torch.rad2deg(axes_angles(clean, axes))[None].cpu()


def _mode_grams(
    first: dict[str, PointStream], second: dict[str, PointStream] | None = None
) -> dict[str, Tensor]:
    """Return the Gram matrix of each mode, or the products with another set."""
    return {
        mode: stream_gram(points, None if second is None else second[mode])
        for mode, points in first.items()
    }


def _sum(grams: Mapping[str, Tensor]) -> Tensor:
    """Return the Gram matrix of the product kernel, which needs no features side by side."""
    return torch.stack(list(grams.values())).sum(0).cpu()


def _named(found: StreamSpectra) -> dict[str, StreamSpectrum]:
    """Return the spectra of the modes and of their product."""
    return {**found.parts, "product": found.whole}


def _all_dimensions(found: StreamSpectra) -> Tensor:
    """Return the dimensions (part, share, centring)."""
    return torch.stack([_dimensions(part) for part in _named(found).values()])


def _dimensions(found: StreamSpectrum) -> Tensor:
    """Return the dimensions (share, centring)."""
    both = [found.dimension(SHARES, centred=centring == "centred") for centring in CENTRINGS]
    return torch.stack(both, dim=-1).cpu()


def _interpolated(found: StreamSpectra) -> Tensor:
    energies = found.whole.centred
    return torch.stack([continuous_dimension(energies, share) for share in SHARES]).cpu()


def _small(shares: Mapping[str, float], grams: Mapping[str, Tensor]) -> Tensor:
    """Return the share of each mode, and of the product whose variance is the sum of theirs."""
    if not shares:
        return torch.full((len(_with_product(grams)),), torch.nan, dtype=torch.float64)
    each = torch.tensor([shares[mode] for mode in grams], dtype=torch.float64)
    variance = torch.stack([gram.trace() - gram.mean(-1).sum() for gram in grams.values()]).cpu()
    product = (each.nan_to_num() * variance).sum() / variance.sum()
    return torch.cat([each, product[None]])


def _with_product(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys([*names, "product"]))


def _stacked(within: Sequence[Tensor], cross: Sequence[Tensor]) -> Grams:
    own = torch.stack(list(within))
    return Grams(own, torch.stack(list(cross)) if cross else own[:0])


def angles_of(view: Grams, share: float) -> Tensor:
    """Return the angles in degrees at each level, ascending, NaN padded: (noise, angle)."""
    clean, noisy = view.within[:1], view.within[1:]
    # The clean set against itself needs no measurement, and would be the slowest of all.
    own = torch.zeros(1, int(gram_dimension(clean[0], (share,))[0]), dtype=clean.dtype)
    if not len(noisy):
        return own
    found = rkhs_principal_angles(clean, view.cross, noisy, share=share)
    return torch.cat(padded([own, torch.rad2deg(found)]))


def padded(angles: Sequence[Tensor]) -> list[Tensor]:
    """Bring sets of angles (…, angle) to one length with NaN."""
    longest = max(found.shape[-1] for found in angles)
    pad = torch.nn.functional.pad
    return [pad(found, (0, longest - found.shape[-1]), value=torch.nan) for found in angles]
