"""Ranks of the unfoldings, their spectra, and what decides them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from math import prod
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentgeo import processes
from latentgeo.datasets import seeded_normal
from latentgeo.geometry import (
    PointStream,
    Stratification,
    default_tolerance,
    distinct_positions,
    effective_rank,
    mode_names,
    mode_ranks,
    mode_singular_values,
    mode_words,
    product_stratum_dimension,
    rank_at_tolerance,
    stable_rank,
    strata_counts,
    stratification_of_spectra,
    stream_gram,
    unfolded_shapes,
)
from latentgeo.geometry.hilbert import gram_block, spectrum_of_gram
from latentgeo.latents import choose_images
from latentgeo.lazy import xr
from latentgeo.measures.encoding import Encoding
from latentgeo.measures.latents import LatentReader
from latentgeo.measures.measure import (
    FigureRow,
    Measure,
    Metric,
    Standing,
    Statement,
    Tile,
    both,
    by_level,
    on_both,
    on_each,
)
from latentgeo.metrics import bootstrap_mean, jackknife_interval
from latentgeo.results import (
    Column,
    Estimate,
    ModelResult,
    Omission,
    Readout,
    Table,
    at_noise,
    table_of,
)
from latentgeo.results.words import NONE, share, span
from latentgeo.settings import AnalysisSettings

RankRule = Literal["spectrum", "float32-covariance"]
RANK_RULES: tuple[RankRule, ...] = ("spectrum", "float32-covariance")
_JITTER = 2  # the stream of these draws
_STRATUM_SHARE = 0.99
_MOST_STRATA = 8
_LOOKED_AT = 200
_PAIRS = 1e10
"""Products of channels and pairs of positions that are compared at a level: seconds."""
_SOME, _NEARLY_ALL = 0.05, 0.9
DEAD = Readout("dead_channels", "dead_channels")
DOUBT = Readout("rank_in_doubt", "rank_in_doubt")
EQUAL = Readout("with_equal_positions", "with_equal_positions")
OF_POSITIONS = Readout("rank_is_of_positions", "rank_is_of_positions")
_WITHOUT_TOLERANCE = {"effective_rank": effective_rank, "stable_rank": stable_rank}
EFFECTIVE, STABLE = (
    Readout(name, name, f"{name}_ci", at={"mode": -1}) for name in _WITHOUT_TOLERANCE
)
RANK_ME = Readout("rank_me", "rank_me", "rank_me_ci")
Ranks = tuple[int, ...]


class _Level(NamedTuple):
    """What one level of one view comes to, in arrays that begin with the images."""

    ranks: NDArray[np.int16]  # (rule, n, mode)
    spectra: NDArray[np.float64]  # (n, mode, component), NaN beyond the shorter ones
    counts: Tensor  # (mode, tolerance, rank), images that have the rank
    stratification: Stratification
    dead: int
    equal: tuple[float, float]  # shares of images: with equal positions, whose rank they decide
    free: NDArray[np.float64]  # (rank without a tolerance, mode, n)


def compute(encoding: Encoding) -> xr.Dataset:
    """Compute the ranks of the unfoldings of every latent, and of all latents together."""
    found = rank_variables(
        encoding.readers,
        encoding.latents["sample"].values,
        encoding.source_dtype,
        encoding.settings,
    )
    ranks = np.array(
        [
            [_rank_me(level, encoding.halves) for level in encoding.levels_of(reader)]
            for reader in encoding.few.values()
        ]
    )
    return found.assign(
        rank_me=(("view", "noise"), ranks[..., 0]),
        rank_me_ci=(("view", "noise", "bound"), ranks[..., 1:]),
    )


def _rank_me(latents: Tensor, halves: Tensor) -> tuple[float, float, float]:
    """Return the effective rank of latents (n, ...) as one matrix, with its interval."""
    flat = latents.flatten(1).double()
    samples, width = flat.shape
    gram = stream_gram(PointStream(samples, width, samples, lambda part: flat[part]))

    def of(grams: Tensor) -> list[float]:
        roots = spectrum_of_gram(grams, centred=False).clamp_min(0).sqrt()
        return effective_rank(roots).tolist()

    (value,) = of(gram[None])
    halved = of(torch.stack([gram_block(gram, half) for half in halves]))
    low, high = jackknife_interval(value, halved)
    return value, float(low), float(high)


def rank_variables(
    readers: dict[str, LatentReader],
    sample: NDArray[np.int64],
    source_dtype: str,
    settings: AnalysisSettings,
) -> xr.Dataset:
    """Rank the unfoldings of every latent, with the spectra beside the integers.

    Parameters
    ----------
    readers : dict of str to LatentReader
        The latent, and a sample of the posterior where there is one.
    sample : numpy.ndarray of shape (n,)
        Original numbers of the images; they seed the jitter.
    source_dtype : str
        What the latents were computed in; it sets the default tolerance.
    settings : AnalysisSettings
        Tolerances and jitter.

    Returns
    -------
    xarray.Dataset
        `rank`, `singular_value`, `rank_at_tolerance` with its 5 to 95 % band over images,
        `rank_with_jitter`, `dead_channels`, and `stratification`: whether the ranks lie on one
        stratum or on several clear of the noise floor, with the share of images `in_doubt`.
        `with_equal_positions`: share of (up to 200) images with one and the same code at several
        positions; `rank_is_of_positions`: share whose channels have the rank that the number of
        different codes leaves them at most. `effective_rank` and `stable_rank`, means over images
        with `_ci`, need no tolerance.
    """
    levels = next(iter(readers.values())).levels
    each = processes.do_all(
        [
            partial(_measure, reader, level, source_dtype, settings)
            for reader in readers.values()
            for level in range(levels)
        ],
        at_once=min(reader.levels_at_once for reader in readers.values()),
    )
    found = [each[start : start + levels] for start in range(0, len(each), levels)]
    counts = torch.stack([torch.stack([one.counts for one in view]) for view in found])
    ends = [_quantile(counts, share) for share in (0.05, 0.95)]
    return xr.Dataset(
        {
            **_means([[one.free for one in view] for view in found], settings.seed),
            "rank": (
                ("rule", "view", "noise", "sample", "mode"),
                np.stack([[one.ranks for one in view] for view in found]).transpose(2, 0, 1, 3, 4),
            ),
            "singular_value": (
                ("view", "noise", "sample", "mode", "component"),
                np.stack([[one.spectra for one in view] for view in found]),
            ),
            "rank_at_tolerance": (("view", "noise", "mode", "tolerance"), _mean(counts).numpy()),
            "rank_at_tolerance_ci": (
                ("view", "noise", "mode", "tolerance", "bound"),
                torch.stack(ends, dim=-1).numpy(),
            ),
            "rank_with_jitter": (
                ("noise", "sample", "mode"),
                _ranks_with_jitter(next(iter(readers.values())), sample, source_dtype, settings),
            ),
            "stratification": (
                ("view", "noise"),
                np.array(
                    [[one.stratification.verdict for one in view] for view in found], dtype=object
                ),
            ),
            "rank_in_doubt": (
                ("view", "noise"),
                np.array([[one.stratification.doubtful for one in view] for view in found]),
            ),
            "dead_channels": (
                ("view", "noise"),
                np.array([[one.dead for one in view] for view in found]),
            ),
            **{
                readout.value: (
                    ("view", "noise"),
                    np.array([[one.equal[place] for one in view] for view in found]),
                )
                for place, readout in enumerate((EQUAL, OF_POSITIONS))
            },
        },
        coords={
            "rule": list(RANK_RULES),
            "view": list(readers),
            "mode": list(mode_names(len(next(iter(readers.values())).shape))),
            "tolerance": list(settings.tolerances),
        },
    )


def _means(free: Sequence[Sequence[NDArray[np.float64]]], seed: int) -> dict[str, Any]:
    """Average the ranks without a tolerance over images, with intervals."""
    mean, low, high = bootstrap_mean(np.array(free), seed=seed)
    ends = np.stack([low, high], axis=-1)
    found: dict[str, Any] = {}
    for index, name in enumerate(_WITHOUT_TOLERANCE):
        found[name] = (("view", "noise", "mode"), mean[:, :, index])
        found[f"{name}_ci"] = (("view", "noise", "mode", "bound"), ends[:, :, index])
    return found


def _measure(
    reader: LatentReader, level: int, source_dtype: str, settings: AnalysisSettings
) -> _Level:
    """Rank the latents of one level, shard by shard."""
    shapes, order = unfolded_shapes(reader.shape), len(reader.shape)
    lengths = [min(shape) for shape in shapes]
    ranks = np.empty((len(RANK_RULES), reader.samples, order), dtype=np.int16)
    spectra = np.full((reader.samples, order, max(lengths)), np.nan)
    free = np.empty((len(_WITHOUT_TOLERANCE), order, reader.samples))
    counts = torch.zeros(order, len(settings.tolerances), 1 + max(lengths), dtype=torch.int64)
    lowest = torch.full((reader.shape[0],), torch.inf, device=reader.device)
    highest = -lowest
    for shard in reader.shards():
        latents = reader.read(level, shard)
        by_channel = latents.transpose(0, 1).flatten(1)
        lowest = torch.minimum(lowest, by_channel.amin(dim=-1))
        highest = torch.maximum(highest, by_channel.amax(dim=-1))
        values = mode_singular_values(latents, source_dtype=source_dtype, order=order)
        for index, rule in enumerate(RANK_RULES):
            found = mode_ranks(
                latents, rule, source_dtype=source_dtype, singular_values=values, order=order
            )
            ranks[index, shard] = found.cpu()
        for place, (length, value) in enumerate(zip(lengths, values, strict=True)):
            spectra[shard, place, :length] = value.cpu()
            for index, rank in enumerate(_WITHOUT_TOLERANCE.values()):
                free[index, place, shard] = rank(value).cpu()
            above = rank_at_tolerance(value.cpu(), settings.tolerances)
            counts[place] += _counts(above, max(lengths))
    dead = lowest == highest
    floors = [default_tolerance(shape, source_dtype) for shape in shapes]
    kept = [torch.from_numpy(spectra[:, place, :k]) for place, k in enumerate(lengths)]
    strata = stratification_of_spectra(kept, floors)
    by_spectrum = ranks[RANK_RULES.index("spectrum"), :, -1]
    equal = _equal_positions(reader, level, by_spectrum, settings.seed)
    return _Level(ranks, spectra, counts, strata, int(dead.sum()), equal, free)


def _equal_positions(
    reader: LatentReader, level: int, ranks: NDArray[np.int16], seed: int
) -> tuple[float, float]:
    """Set the ranks of the channels of some images beside the codes that differ."""
    channels, positions = reader.shape[0], prod(reader.shape[1:])
    within_reach = max(1, int(_PAIRS / (channels * positions**2)))
    chosen = choose_images(reader.samples, min(_LOOKED_AT, within_reach), seed)
    codes = distinct_positions(reader.read(level, chosen), order=len(reader.shape)).cpu().numpy()
    most = np.minimum(codes - 1, channels)
    return float((codes < positions).mean()), float((ranks[chosen] == most).mean())


def _counts(ranks: Tensor, highest: int) -> Tensor:
    """Count the images of each rank: (n, tolerance) to (tolerance, 1 + highest)."""
    tolerances = ranks.shape[1]
    cell = ranks + (1 + highest) * torch.arange(tolerances)
    return torch.bincount(cell.flatten(), minlength=tolerances * (1 + highest)).reshape(
        tolerances, -1
    )


def _mean(counts: Tensor) -> Tensor:
    """Return the mean rank of counts (..., rank)."""
    ranks = torch.arange(counts.shape[-1])
    return (counts * ranks).sum(-1).double() / counts.sum(-1)


def _quantile(counts: Tensor, share: float) -> Tensor:
    """Return a quantile of the ranks behind counts (..., rank), linear between neighbours."""
    place = share * (int(counts.flatten(0, -2)[0].sum()) - 1)
    below, above = (
        (counts.cumsum(-1) <= at).sum(-1).double() for at in (np.floor(place), np.ceil(place))
    )
    return torch.lerp(below, above, place - np.floor(place))


def _ranks_with_jitter(
    reader: LatentReader, sample: NDArray[np.int64], source_dtype: str, settings: AnalysisSettings
) -> NDArray[np.int16]:
    """Rank the latents with a little noise added to them: what a density alone does to ranks."""
    reach, order = settings.jitter * _spread(reader), len(reader.shape)
    ranks = np.empty((reader.levels, reader.samples, order), dtype=np.int16)
    for shard in reader.shards():
        noise = seeded_normal(
            tuple(reader.shape), seed=settings.seed, indices=sample[shard], stream=_JITTER
        )
        for level in range(reader.levels):
            latents = reader.read(level, shard)
            jittered = latents + (reach * noise).to(latents)
            ranks[level, shard] = mode_ranks(jittered, source_dtype=source_dtype, order=order).cpu()
    return ranks


def _spread(reader: LatentReader) -> float:
    """Return the standard deviation of all numbers of all levels, from those of the shards."""
    count, mean, squares = 0, 0.0, 0.0
    for level in range(reader.levels):
        for shard in reader.shards():
            values = reader.read(level, shard).double()
            own, size = float(values.mean()), values.numel()
            gap, count = own - mean, count + size
            mean += gap * size / count
            squares += float((values - own).square().sum()) + gap**2 * size * (1 - size / count)
    return float(np.sqrt(squares / max(count - 1, 1)))


def is_ranked(model: ModelResult) -> bool:
    """Return whether the latents are tensors, which have ranks."""
    return "rank" in model.data


def stratification(model: ModelResult) -> str:
    """Return what the spectra say of the clean latents: smooth, stratified, undecided; or ""."""
    if "stratification" not in model.data:
        return ""
    clean = model.at(0.0)["stratification"]
    return str(clean.values if clean.ndim == 0 else clean.values[0])


def rank_tuples(
    view: ModelResult, level: float | None = None, rule: str = "spectrum"
) -> list[Ranks]:
    """Return the ranks of the images, one of each mode, at one level or at all of them."""
    ranks = view.data["rank"].sel(rule=rule).transpose("noise", "sample", "mode")
    chosen = ranks if level is None else at_noise(ranks, level)
    return [tuple(row) for row in chosen.values.reshape(-1, ranks.sizes["mode"]).tolist()]


def strata(view: ModelResult, level: float | None = None, rule: str = "spectrum") -> Counter[Ranks]:
    """Count the images on each stratum, the most frequent first."""
    return Counter(dict(Counter(sorted(rank_tuples(view, level, rule))).most_common()))


def kept(view: ModelResult) -> int:
    """Count the images that have the same ranks clean and noisy."""
    if view.noisy is None:
        return len(rank_tuples(view, 0.0))
    pairs = zip(rank_tuples(view, 0.0), rank_tuples(view, view.noisy), strict=True)
    return sum(clean == noisy for clean, noisy in pairs)


def tuple_word(model: ModelResult) -> str:
    """Return what the ranks of its modes are called together."""
    return "rank triple" if len(model.modes) == 3 else "rank tuple"


def in_brackets(ranks: Sequence[int]) -> str:
    """Format the ranks of the modes; their spaces do not break."""
    return "(" + ",\N{NO-BREAK SPACE}".join(str(rank) for rank in ranks) + ")"


def _ranked(models: Sequence[ModelResult]) -> list[ModelResult]:
    return [view for model in models if is_ranked(model) for view in model.views]


def _entry(model: ModelResult) -> dict[str, Any]:
    if not is_ranked(model):
        return {}
    jitter = model.data["rank_with_jitter"]
    return {
        "ranks_with_jitter": by_level(model, lambda level: _by_mode(at_noise(jitter, level))),
        "strata_dimension": _strata_dimension(model),
    }


def _view_entry(view: ModelResult) -> dict[str, Any]:
    if not is_ranked(view):
        return {}
    rule = view.attrs["rank_rule"]

    def ranks_by(other: str) -> dict[str, Any]:
        ranks = view.data["rank"].sel(rule=other)
        return by_level(view, lambda level: _by_mode(at_noise(ranks, level)))

    return {
        "ranks": ranks_by(rule),
        "strata": by_level(view, lambda level: _strata(view, level, rule)),
        "ranks_by_other_rules": {
            str(other): ranks_by(other) for other in view.data["rule"].values if other != rule
        },
        "stratification": by_level(
            view,
            lambda level: {
                "verdict": str(view.at(level)["stratification"].values),
                "share_in_doubt": view.estimate(DOUBT, level).value,
            },
        ),
        "dead_channels": by_level(view, lambda level: int(view.estimate(DEAD, level).value)),
        **({"equal_positions": by_level(view, partial(_positions, view))} if _seen(view) else {}),
        **{one.name: by_level(view, partial(_of_modes, view, one)) for one in (EFFECTIVE, STABLE)},
        "rank_me": by_level(view, lambda level: view.estimate(RANK_ME, level).to_json()),
    }


def _seen(view: ModelResult) -> bool:
    return EQUAL.value in view.data  # an older analysis has none


def _positions(view: ModelResult, level: float) -> dict[str, float]:
    return {one.name: view.estimate(one, level).value for one in (EQUAL, OF_POSITIONS)}


def _of_modes(view: ModelResult, readout: Readout, level: float) -> dict[str, Any]:
    return {mode: view.estimate(readout, level, mode=mode).to_json() for mode in view.modes}


def _by_mode(ranks: xr.DataArray) -> dict[str, dict[str, int]]:
    found = {}
    for mode in ranks["mode"].values:
        values, counts = np.unique(ranks.sel(mode=mode).values, return_counts=True)
        found[str(mode)] = {
            str(value): int(count) for value, count in zip(values, counts, strict=True)
        }
    return found


def _strata(view: ModelResult, level: float, rule: str) -> dict[str, int]:
    ranks = at_noise(view.data["rank"].sel(rule=rule), level).transpose("sample", "mode")
    return {_key(one): int(count) for one, count in strata_counts(ranks.values).items()}


def _strata_dimension(model: ModelResult) -> dict[str, int]:
    found = np.unique(model.data["rank"].values.reshape(-1, len(model.modes)), axis=0)
    return {_key(one): _dimension(model, tuple(one)) for one in found.tolist()}


def _dimension(model: ModelResult, one: Ranks) -> int:
    sizes = [size for size, _ in unfolded_shapes(model.attrs["latent_shape"])]
    return int(product_stratum_dimension(sizes, one))


def _key(one: Sequence[int]) -> str:
    return ",".join(str(int(rank)) for rank in one)


def _sentences(model: ModelResult) -> list[str]:
    if not is_ranked(model):
        return []
    name = "The posterior mean" if len(model.views) > 1 else "The latent"
    sentences = [_sentence_of_view(model.views[0], name), _clear(model), *_of_positions(model)]
    if len(model.views) > 1:
        sentences += [
            _sentence_of_view(model.views[1], "A sample of the posterior"),
            "A sample has a density, so it has full rank regardless of what was learned; the mean "
            "is what the network outputs.",
        ]
    return sentences


def _sentence_of_view(view: ModelResult, name: str) -> str:
    levels = [strata_counts(np.array(rank_tuples(view, level))) for level in view.levels]
    most, count = max(levels[0].items(), key=lambda item: item[1])
    part = count / view.data.sizes["sample"]
    text, word = f"({', '.join(map(str, most))})", tuple_word(view)
    every = {stratum for level in levels for stratum in level}
    if len(every) == 1:
        return f"{name} has the {word} {text} on all images at all noise levels."
    if part >= _STRATUM_SHARE:
        return (
            f"{name} has the {word} {text} on {100 * part:.1f} % of the clean images, "
            f"and {len(every)} {word}s over all noise levels."
        )
    return (
        f"{name} takes {len(levels[0])} {word}s on clean images (most often {text}, "
        f"{100 * part:.0f} %) and {len(every)} over all noise levels."
    )


def _clear(model: ModelResult) -> str:
    words = {
        "smooth": "one stratum, and no image lies near a rank change",
        "stratified": "several strata, clearly separated",
        "undecided": "whether one stratum or several cannot be decided",
    }[stratification(model)]
    doubt = model.estimate(DOUBT).value
    return (
        f"Based on the full spectrum: {words} ({100 * doubt:.0f} % of the clean "
        "images have a singular value within a factor of ten of the noise floor)."
    )


def _decided_by_positions(view: ModelResult) -> bool:
    """Return whether ranks of the channels differ on clean images because codes are equal."""
    if not _seen(view) or len({ranks[-1] for ranks in rank_tuples(view, 0.0)}) == 1:
        return False
    equal, decided = _positions(view, 0.0).values()
    return equal >= _SOME and decided >= _NEARLY_ALL


def _of_positions(model: ModelResult) -> list[str]:
    """Warn where the strata are those of equal positions."""
    view = model.views[0]
    if not _decided_by_positions(view):
        return []
    equal, decided = _positions(view, 0.0).values()
    return [
        f"On {100 * equal:.0f} % of the clean images several positions of the latent have one and "
        f"the same code, and on {100 * decided:.0f} % the rank of {view.modes[-1]} is the maximum "
        "that the number of different codes allows: these strata count equal patches of the "
        "images, such as a border of one colour."
    ]


def _points(model: ModelResult, noisy: str) -> list[str]:
    return [_point(view, noisy) for view in _ranked([model])]


def _point(view: ModelResult, noisy: str) -> str:
    clean = strata(view, 0.0)
    most, count = next(iter(clean.items()))
    images = sum(clean.values())
    ranges = ", ".join(
        f"{mode} {span(one[index] for one in clean)}" for index, mode in enumerate(view.modes)
    )
    text = f"Ranks of the {view.what} on clean images: {ranges}; "
    if len(clean) == 1:
        text += f"one stratum, {in_brackets(most)}, for all {images} images."
    else:
        text += (
            f"{len(clean)} strata, the most frequent {in_brackets(most)} with "
            f"{share(count, images)}."
        )
    if view.noisy is None:
        return text
    return f"{text} At {noisy}, {share(kept(view), images)} keep their {tuple_word(view)}."


def _ranges(found: Sequence[Ranks]) -> str:
    """Format the ranges of the ranks, mode by mode."""
    return ", ".join(span(one[index] for one in found) for index in range(len(found[0])))


def _glance(noisy: str) -> Sequence[Column]:
    return [
        on_both(
            "Ranks by mode",
            lambda view, level: _ranges(rank_tuples(view, level)) if is_ranked(view) else NONE,
        )
    ]


_STANDING: dict[str, Standing] = {"undecided": "open"}


def _tiles(model: ModelResult, models: Sequence[ModelResult]) -> Sequence[Tile]:
    if not is_ranked(model):
        return [Tile("Strata", "none", "a vector has no unfoldings", compared=False)]
    found, count = stratification(model), len(strata(model.views[0], 0.0))
    beside = f"{count} {tuple_word(model)}{'s' * (count > 1)}"
    if _decided_by_positions(model.views[0]):
        beside += ", by equal positions"
    return [Tile("Strata", found or beside, beside, _STANDING.get(found, ""))]


def _tables(models: Sequence[ModelResult], noisy: str) -> list[Table]:
    views = _ranked(models)
    if not views:
        return []
    return [
        _overview(views, noisy),
        *(_of_view(view, noisy) for view in views),
        _two_rules(views, noisy),
        _no_rule(views, noisy),
        _sample_or_mean([model for model in models if is_ranked(model)]),
        _lowered([model for model in models if is_ranked(model)], noisy),
    ]


def _overview(views: Sequence[ModelResult], noisy: str) -> Table:
    rows = tuple(
        (
            view.label,
            *both(view, lambda view, level: str(len(strata(view, level)))),
            NONE if view.noisy is None else f"{kept(view)} of {view.data.sizes['sample']}",
        )
        for view in views
    )
    return Table(
        "Strata",
        ("Model", "Strata, clean", f"Strata, {noisy}", "Images that keep their stratum"),
        rows,
        "Number of distinct ranks by mode, under the spectrum rule.",
        section="measured",
    )


def _of_view(view: ModelResult, noisy: str) -> Table:
    """List the most frequent strata of one model; the others are pooled in a last row."""
    clean = strata(view, 0.0)
    moved = strata(view, view.noisy) if view.noisy is not None else Counter()
    ordered = [one for one, _ in Counter(sorted((clean + moved).elements())).most_common()]
    shown = ordered if len(ordered) <= _MOST_STRATA + 1 else ordered[:_MOST_STRATA]
    rows: list[tuple[str, ...]] = [
        (",".join(map(str, one)), str(_dimension(view, one)), str(clean[one]), str(moved[one]))
        for one in shown
    ]
    if rest := ordered[len(shown) :]:
        counts = [str(sum(some[one] for one in rest)) for some in (clean, moved)]
        rows.append((f"other ({len(rest)} strata)", NONE, *counts))
    columns = ("Stratum", "Dimension", "Images, clean", f"Images, {noisy}")
    width = 3 if view.noisy is None else 4
    cut = tuple(row[:width] for row in rows)
    return Table(view.label, columns[:width], cut, section="details")


def _two_rules(views: Sequence[ModelResult], noisy: str) -> Table:
    def ranks(rule: RankRule) -> Column:
        return Column(
            f"Ranks by mode: {rule} rule",
            lambda view, level: _ranges(rank_tuples(view, level, rule)),
        )

    def number(rule: RankRule) -> Column:
        return Column("Strata", lambda view, level: str(len(strata(view, level, rule))))

    columns = (
        Column("Model", lambda view, level: view.label),
        Column("Images", lambda view, level: "clean" if level == 0 else noisy),
        *(column(rule) for rule in RANK_RULES for column in (ranks, number)),
    )
    return table_of(
        "Ranks under two rules",
        columns,
        [(view, level) for view in views for level in view.compared_levels],
        "Spectrum: singular values of the centred unfolding in float64, cut at max(rows, "
        "columns) times the epsilon of the dtype that the latents were computed in. "
        "float32-covariance: the default of matrix_rank on the float32 covariance, which "
        "thresholds the squared singular values and so cuts much earlier.",
        section="details",
    )


def _no_rule(views: Sequence[ModelResult], noisy: str) -> Table:
    def rank(head: str, readout: Readout, mode: str) -> Column:
        return Column(
            f"{head}, {mode}",
            lambda view, level: (
                view.estimate(readout, level, mode=mode).text() if mode in view.modes else NONE
            ),
        )

    modes = max((view.modes for view in views), key=len)

    columns = (
        Column("Model", lambda view, level: view.label),
        Column("Images", lambda view, level: "clean" if level == 0 else noisy),
        Column("Ranks by mode", lambda view, level: _ranges(rank_tuples(view, level))),
        *(rank("Effective", EFFECTIVE, mode) for mode in modes),
        *(rank("Stable", STABLE, mode) for mode in modes),
        Column("RankMe", lambda view, level: view.estimate(RANK_ME, level).text()),
    )
    return table_of(
        "Ranks without a tolerance",
        columns,
        [(view, level) for view in views for level in view.compared_levels],
        "Of the singular values s of the centred unfoldings, means over images with 95 % bootstrap "
        "intervals. Effective rank: exp of the entropy of s/Σs; stable rank: Σs²/max s². Neither "
        "has a threshold: k equal values count as k, small ones hardly at all. RankMe: the "
        "effective rank of "
        "the matrix whose rows are the compared latents, not centred, with the delete-half "
        "jackknife's interval; it rises with the number of images.",
        section="details",
    )


def _sample_or_mean(models: Sequence[ModelResult]) -> Table:
    def sampled(model: ModelResult) -> str:
        return (
            _ranges(rank_tuples(model.views[1], 0.0)) if len(model.views) > 1 else "deterministic"
        )

    columns = (
        Column("Model", lambda model: model.label),
        Column("Mean or latent", lambda model: _ranges(rank_tuples(model.views[0], 0.0))),
        Column("Sample of the posterior", sampled),
        Column("Latent with jitter", _jittered),
    )
    return table_of(
        "Mean, sample and jitter: ranks on clean images",
        columns,
        [(model,) for model in models],
        "A sample has a density and so has full rank almost surely, regardless of what was "
        "learned; a little Gaussian jitter has the same effect on any latent. Only the first "
        "column is a "
        "statement about the model.",
        section="controls",
    )


def _jittered(model: ModelResult) -> str:
    if "rank_with_jitter" not in model.data:
        return NONE
    ranks = model.at(0.0)["rank_with_jitter"].transpose("sample", "mode")
    return _ranges([tuple(row) for row in ranks.values.tolist()])


def _lowered(models: Sequence[ModelResult], noisy: str) -> Table:
    """Count what lowers the rank of the channels whatever was learned."""

    def percent(readout: Readout) -> Any:
        def text(model: ModelResult, level: float) -> str:
            return f"{100 * model.estimate(readout, level).value:.0f} %" if _seen(model) else NONE

        return text

    return table_of(
        "What lowers the rank of the channels",
        (
            Column("Model", lambda model: model.label),
            Column("Channels", lambda model: str(model.attrs["latent_shape"][0])),
            *on_each("Dead", noisy, lambda model, at: f"{model.estimate(DEAD, at).value:.0f}"),
            *on_each("Images with equal positions", noisy, percent(EQUAL)),
            *on_each("Rank is that of different positions", noisy, percent(OF_POSITIONS)),
        ),
        [(model,) for model in models],
        "A dead channel is constant over all images and positions; each one lowers the maximum "
        "rank of S3 where there are fewer channels than positions. Positions are equal where they "
        "have one and the same code, up to 1e-5 of the latent's largest number: the rank of S3 is "
        "at most the number of different codes less one, and the last columns have the share of "
        f"images (of up to {_LOOKED_AT}) with just this rank, or that of all channels where they "
        "are fewer. High shares of both say that strata count equal patches of the images.",
        section="controls",
    )


def _rules(model: ModelResult) -> dict[str, Any]:
    return {f"rank rule of {model.attrs['latent_kind']}s": model.attrs["rank_rule"]}


def _card(view: ModelResult, level: float) -> list[Metric]:
    """Return the most frequent ranks by mode, and how many images have it."""
    if not is_ranked(view):
        return []
    counts = strata(view, level)
    most, count = next(iter(counts.items()))
    text = f"({', '.join(map(str, most))}), {count} of {sum(counts.values())} images"
    return [
        Metric("", f"Most frequent ranks ({', '.join(view.modes)})", Estimate(np.nan), shown=text)
    ]


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _card_notes(model: ModelResult) -> list[str]:
    if not is_ranked(model):
        return []
    return [
        f"Ranks: of the unfoldings of the latent by {_listed(mode_words(len(model.modes)))}, rule "
        f"`{model.attrs['rank_rule']}`."
    ]


MEASURE = Measure(
    "ranks",
    compute,
    Statement(
        "neither",
        "none for ranks, which are counted per image; Wilson for shares of images, bootstrap over "
        "images for effective and stable ranks, delete-half jackknife for RankMe",
        "one singular value decomposition of each unfolding, linear in n",
        ("image order", "scale", "channel order", "reflection"),
    ),
    needs=("tensor",),
    absences={
        "tensor": Omission(
            "ranks, strata and spectra",
            "a vector latent has no rows and columns to unfold, so it has no ranks",
        )
    },
    readouts=(DEAD, DOUBT, EQUAL, OF_POSITIONS, EFFECTIVE, STABLE, RANK_ME),
    entry=_entry,
    view_entry=_view_entry,
    sentences=_sentences,
    points=_points,
    heading="Ranks and strata",
    tiles=_tiles,
    glance=_glance,
    glance_note="Ranks: ranges over images of S1, S2, …, the channels last, under the spectrum "
    "rule; a vector has none.",
    tables=_tables,
    card=_card,
    card_notes=_card_notes,
    rules=_rules,
    figures=(
        FigureRow(
            "rank_histograms",
            "latentgeo.figures.rank_histogram:RankHistogramDisplay",
            "Ranks of the unfoldings",
            "Ranks of S1, S2, … over {samples} images, clean and at {noisy}, under the "
            "spectrum rule; the range is printed in each panel.",
            "One bar means that all images lie on one stratum; several bars mean a stratified set, "
            "and bars that move from left to right block mean that noise changes the stratum.",
        ),
        FigureRow(
            "strata",
            "latentgeo.figures.strata:StratumTransitionDisplay",
            "Transitions from clean to noisy strata",
            "Number of images by ranks (S1,S2,…), clean (down) and at {noisy} (across). The "
            "five most frequent strata of each side are named, all others are pooled in 'other', "
            "with their number in brackets.",
            "Counts where row and column bear the same name are images that keep their stratum; "
            "all others were moved by the noise.",
        ),
        FigureRow(
            "spectra",
            "latentgeo.figures.spectra:SpectrumDisplay",
            "Spectra of the unfoldings",
            "Singular values of the centred unfoldings, relative to the largest: median over "
            "{samples} images and 5 to 95 % band (left out where more than five curves meet); "
            "grey: the threshold of each rank rule.",
            "Where a spectrum drops steeply through a grey line, the rank hardly depends on the "
            "rule; where it crosses gently, the tolerance decides the rank.",
        ),
        FigureRow(
            "rank_tolerance",
            "latentgeo.figures.rank_tolerance:RankToleranceDisplay",
            "Rank against tolerance",
            "Mean rank over {samples} images if singular values below the tolerance (relative to "
            "the largest) count as zero, with the 5 to 95 % band (left out where more than five "
            "curves meet); grey: the two rank rules.",
            "A plateau around a grey line means a reliable rank; where the curve falls, the "
            "two rules give different ranks for the same latents.",
        ),
    ),
    meanings={
        "Ranks S1, S2, S3": "The latent tensor of an image (channels × rows × columns) is unfolded "
        "along rows, columns and channels; each unfolding is centred, and the rank of its "
        "covariance S is the number of directions in which it varies. A latent of another order "
        "has one S for each axis, the "
        "channels last: two for a sequence, four for a volume. Ranks are integers and depend on a "
        "tolerance: see the spectra and the curve of rank against tolerance. Effective and stable "
        "rank need none.",
        "Stratum": "All latents with the same ranks by mode. Covariances of fixed ranks form a "
        "smooth manifold; where they change from image to image, the set as a whole is only "
        "stratified. The dimension of a stratum is that of the product of the manifolds of "
        "positive semi-definite matrices of these ranks: each of size n and rank k has "
        "n·k − k(k − 1)/2.",
    },
)
