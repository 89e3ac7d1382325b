"""The paper's statements beside what one analysis found: the section of a report.

What is known of the paper is its abstract, its captions and summaries at second hand. Each
statement keeps the mark of where it comes from.

References
----------
.. [1] Shrivastava, Rameshan and Agnihotri, "Latent Space Characterization of Autoencoder
   Variants", arXiv:2412.04755, 2024.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from study.render import fill

from claims.paper import FLAT_DB, MARKS, POSITIONS, RANKS, VAE_RANKS, ZERO_DEGREES
from latentgeo.measures.hilbert_dimension import DIMENSION
from latentgeo.measures.principal_angles import ANGLE
from latentgeo.measures.quality import PSNR
from latentgeo.measures.ranks import in_brackets, is_ranked, rank_tuples, strata
from latentgeo.report import Section
from latentgeo.results import Analysis, ModelResult
from latentgeo.results.words import EN_DASH, number, span


class Finding(NamedTuple):
    """What one model says about a statement; `agrees` is None where that cannot be judged."""

    text: str
    agrees: bool | None


_NO_RANKS = Finding("no ranks, the latents are vectors", None)
_NO_NOISE = Finding("too few noise levels to say", None)


class Statement(NamedTuple):
    """A statement of the paper: where it comes from, what it says, how it is judged.

    Attributes
    ----------
    mark : str
        A key of `MARKS`.
    text : str
        The paper's.
    criterion : str
        What counts as agreement here.
    recipes : tuple of str
        The models that it is about.
    find : callable
        Asks a model in one of its views.
    about_images : bool
        Whether all views of a model say the same.
    """

    mark: str
    text: str
    criterion: str
    recipes: tuple[str, ...]
    find: Callable[[ModelResult], Finding]
    about_images: bool = False


@dataclass(frozen=True)
class Comparison:
    """A statement and what was found.

    Attributes
    ----------
    mark, statement, criterion : str
        The statement's.
    ours : tuple of str
        One line per model and view.
    verdict : str
        "agrees", "differs", "depends on the model or view" or "not judged".
    """

    mark: str
    statement: str
    criterion: str
    ours: tuple[str, ...]
    verdict: str


def section_of(found: Analysis) -> Section:
    """Return the section of a report that sets the paper beside an analysis."""
    title = "The paper's statements beside ours"
    facts = {"images": found.tree.attrs["samples"], "data": found.tree.attrs["data"]}
    rows = compare(found.models)
    return Section("paper", title, fill("paper_section.html", rows=rows, marks=MARKS, **facts))


def concerns(models: Sequence[ModelResult]) -> bool:
    """Return whether the paper speaks of any of these models."""
    recipes = {recipe for statement in STATEMENTS for recipe in statement.recipes}
    return any(_recipe(model) in recipes for model in models)


def compare(models: Sequence[ModelResult]) -> list[Comparison]:
    """Set every statement of the paper beside the models that it is about.

    Parameters
    ----------
    models : sequence of ModelResult
        The models of an analysis. Models that have not learned are named but not judged.

    Returns
    -------
    list of Comparison
    """
    return [_compare(models, statement) for statement in STATEMENTS]


def _compare(models: Sequence[ModelResult], statement: Statement) -> Comparison:
    findings = [
        (label, finding)
        for model in models
        if _recipe(model) in statement.recipes
        for label, finding in _evaluate(model, statement)
    ]
    judged = [finding.agrees for _, finding in findings if finding.agrees is not None]
    nobody = f"no model with the recipe {' or '.join(statement.recipes)} was analysed"
    ours = tuple(f"{label}: {finding.text}" for label, finding in findings) or (nobody,)
    return Comparison(*statement[:3], ours, _verdict(judged))


def _evaluate(model: ModelResult, statement: Statement) -> Iterator[tuple[str, Finding]]:
    """Ask a model in the views that can differ on a statement, by their names."""
    if not model.learned:
        unknown = "this model has no decoder, so whether it has learned is not known"
        why = unknown if model.learned is None else "this model has not learned"
        yield model.label, Finding(f"not judged, {why}", None)
        return
    for view in model.views[: 1 if statement.about_images else None]:
        label = model.label if statement.about_images else view.label
        yield label, statement.find(view)


def _recipe(model: ModelResult) -> str:
    return str(model.attrs["recipe"]).lower()


def _verdict(judged: Sequence[bool]) -> str:
    if not judged:
        return "not judged"
    if all(judged):
        return "agrees"
    return "depends on the model or view" if any(judged) else "differs"


def _ranks_vary(view: ModelResult) -> Finding:
    return Finding(_strata(view), len(strata(view)) > 1) if is_ranked(view) else _NO_RANKS


def _ranks_fixed(view: ModelResult) -> Finding:
    return Finding(_strata(view), len(strata(view)) == 1) if is_ranked(view) else _NO_RANKS


def _strata(view: ModelResult) -> str:
    found = strata(view)
    if len(found) == 1:
        return f"one rank triple, {in_brackets(next(iter(found)))}, over all levels"
    return f"{len(found)} rank triples over all levels ({len(strata(view, 0.0))} on clean images)"


def _ranks_in_ranges(view: ModelResult) -> Finding:
    ranges = list(RANKS.values())
    return _judge_ranks(
        view,
        lambda found: all(
            low <= rank <= high
            for one in found
            for rank, (low, high) in zip(one, ranges, strict=True)
        ),
    )


def _ranks_as_vae(view: ModelResult) -> Finding:
    return _judge_ranks(view, lambda found: set(found) == {VAE_RANKS})


def _judge_ranks(view: ModelResult, holds: Callable[[Sequence[tuple[int, ...]]], bool]) -> Finding:
    """Judge clean and noisy ranks, pooled, where the latent's shape allows those of the paper."""
    if not is_ranked(view):
        return _NO_RANKS
    found = list(chain.from_iterable(rank_tuples(view, level) for level in view.compared_levels))
    text = ", ".join(
        f"{mode} {span(one[index] for one in found)}" for index, mode in enumerate(view.modes)
    )
    channels, *positions = (int(size) for size in view.attrs["latent_shape"])
    if tuple(positions) == POSITIONS and channels > VAE_RANKS[2]:
        return Finding(text, holds(found))
    why = f"not comparable: a latent of {view.latent} cannot have the paper's ranks"
    return Finding(f"{text} ({why})", None)


def _dimension(view: ModelResult) -> Finding:
    levels = view.levels
    first, last = (view.estimate(DIMENSION, level).text(0) for level in (levels[0], levels[-1]))
    noisy = f", {last} at {levels[-1]:g}" if len(levels) > 1 else ""
    return Finding(f"{first} on clean images{noisy}", None)


def _psnr_drops(view: ModelResult) -> Finding:
    curve, text = _psnr(view)
    return Finding(text, curve[0] - curve[-1] > FLAT_DB) if len(curve) > 1 else _NO_NOISE


def _psnr_flat(view: ModelResult) -> Finding:
    curve, text = _psnr(view)
    return Finding(text, max(curve) - min(curve) <= FLAT_DB) if len(curve) > 1 else _NO_NOISE


def _psnr(view: ModelResult) -> tuple[list[float], str]:
    curve = [view.estimate(PSNR, level) for level in view.levels]
    text = f"{curve[0].text()} dB clean, {curve[-1].text()} dB at {view.levels[-1]:g}"
    return [each.value for each in curve], text


def _angles_rise(view: ModelResult) -> Finding:
    angles, text = _angles(view)
    return Finding(text, angles[-1] > angles[0]) if len(angles) > 1 else _NO_NOISE


def _angles_zero(view: ModelResult) -> Finding:
    angles, text = _angles(view)
    return Finding(text, max(angles) < ZERO_DEGREES) if angles else _NO_NOISE


def _angles(view: ModelResult) -> tuple[list[float], str]:
    levels = [level for level in view.levels if level > 0]
    angles = [view.estimate(ANGLE, level).value for level in levels]
    if not levels:
        return [], ""
    first, last = number(angles[0]), number(angles[-1])
    return angles, f"{first}° at {levels[0]:g}, {last}° at {levels[-1]:g}"


_VAE = in_brackets(VAE_RANKS)
_POOLED = ", ".join(f"{mode} {low}{EN_DASH}{high}" for mode, (low, high) in RANKS.items())
_DETERMINISTIC, _VARIATIONAL = ("cae", "dae"), ("vae",)
STATEMENTS = (
    Statement(
        "P",
        "CAE and DAE latents form a stratified, non-smooth manifold: ranks vary.",
        "more than one rank triple over all images and noise levels",
        _DETERMINISTIC,
        _ranks_vary,
    ),
    Statement(
        "S",
        f"Pooled ranks of CAE and DAE: {_POOLED}.",
        "clean and noisy ranks lie within these ranges",
        _DETERMINISTIC,
        _ranks_in_ranges,
    ),
    Statement(
        "P",
        "VAE latents form one smooth product of two SPD and one SPSD matrix manifolds: ranks "
        "are fixed.",
        "one rank triple over all images and noise levels",
        _VARIATIONAL,
        _ranks_fixed,
    ),
    Statement(
        "S",
        f"Ranks of the VAE: always {_VAE}.",
        f"every image has {_VAE}, clean and noisy",
        _VARIATIONAL,
        _ranks_as_vae,
    ),
    Statement(
        "P",
        "Hilbert dimension is plotted against noise (figure 4; its values are not known to us).",
        "none: there is no number to compare with",
        (*_DETERMINISTIC, *_VARIATIONAL),
        _dimension,
    ),
    Statement(
        "S",
        "PSNR of CAE and DAE drops with noise.",
        f"falls by more than {FLAT_DB:g} dB from clean to the highest level",
        _DETERMINISTIC,
        _psnr_drops,
        about_images=True,
    ),
    Statement(
        "S",
        "PSNR of the VAE is flat at about 25 dB over the noise levels.",
        f"changes by at most {FLAT_DB:g} dB over all levels (its height depends on the data)",
        _VARIATIONAL,
        _psnr_flat,
        about_images=True,
    ),
    Statement(
        "S",
        "Principal angles rise with noise for CAE and DAE.",
        "mean angle larger at the highest level than at the lowest above 0",
        _DETERMINISTIC,
        _angles_rise,
    ),
    Statement(
        "S",
        'Principal angles "remain zero" for the VAE.',
        f"mean angle below {ZERO_DEGREES:g}° at every level",
        _VARIATIONAL,
        _angles_zero,
    ),
)
