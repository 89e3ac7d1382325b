"""The paper's statements beside what an analysis found.

What is known of the paper is its abstract, its captions and summaries at second hand. Each
statement keeps the mark of where it comes from.

References
----------
.. [1] Shrivastava, Rameshan and Agnihotri, "Latent Space Characterization of Autoencoder
   Variants", arXiv:2412.04755, 2024.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from latentgeo.report._words import EN_DASH, estimate, number, span, triple
from latentgeo.report.facts import MODES, Model, View

MARKS = {
    "P": "the paper's own abstract or captions",
    "S": "a secondary summary, at second hand",
    "D": "deduced by us, the argument is given",
    "C": "our choice where the paper is silent",
}
FLAT_DB = 1.0
ZERO_DEGREES = 1.0
_PAPER_RANGES = {"S1": (5, 7), "S2": (6, 7), "S3": (29, 48)}
_PAPER_VAE = (7, 7, 48)
_PAPER_POSITIONS = (7, 7)


@dataclass(frozen=True)
class Finding:
    """What one model says about a statement.

    Parameters
    ----------
    text : str
        The numbers.
    agrees : bool or None
        Whether they bear the statement out; None where that cannot be judged.
    """

    text: str
    agrees: bool | None


def _out_of_reach(view: View) -> str:
    """Say why the paper's ranks cannot occur here; empty where they can."""
    channels, rows, columns = (int(size) for size in view.data.attrs["latent_shape"])
    if (rows, columns) == _PAPER_POSITIONS and channels > _PAPER_VAE[2]:
        return ""
    shape = f"{channels}\N{MULTIPLICATION SIGN}{rows}\N{MULTIPLICATION SIGN}{columns}"
    return f" (not comparable: a latent of {shape} cannot have the paper's ranks)"


_NO_RANKS = Finding("no ranks, the latents are vectors", None)
_NO_NOISE = Finding("too few noise levels to say", None)


@dataclass(frozen=True)
class Comparison:
    """One statement of the paper and what was found.

    Parameters
    ----------
    mark : str
        Where the statement comes from, a key of `MARKS`.
    statement : str
        What the paper says.
    criterion : str
        What counts as agreement here.
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


def compare(models: Sequence[Model]) -> list[Comparison]:
    """Set every statement of the paper beside the models that it is about.

    Parameters
    ----------
    models : sequence of Model
        The models of an analysis. Models that have not learned are named but not judged.

    Returns
    -------
    list of Comparison
    """
    return [_compared(models, statement) for statement in _STATEMENTS]


def _compared(models: Sequence[Model], statement: "_Statement") -> Comparison:
    """Ask every model that a statement is about."""
    lines: list[str] = []
    judged: list[bool] = []
    for model in (model for model in models if model.recipe in statement.recipes):
        if not model.learned:
            lines.append(f"{model.label}: not judged, {_unlearned(model)}")
            continue
        for label, view in _asked(model, statement):
            finding = statement.find(view)
            lines.append(f"{label}: {finding.text}")
            if finding.agrees is not None:
                judged.append(finding.agrees)
    nobody = f"no model with the recipe {' or '.join(statement.recipes)} was analysed"
    return Comparison(
        statement.mark,
        statement.text,
        statement.criterion,
        tuple(lines) or (nobody,),
        _verdict(judged),
    )


def concerns(models: Sequence[Model]) -> bool:
    """Tell whether the paper speaks of any of these models."""
    recipes = {recipe for statement in _STATEMENTS for recipe in statement.recipes}
    return any(model.recipe in recipes for model in models)


def _unlearned(model: Model) -> str:
    if model.learned is None:
        return "this model has no decoder, so whether it has learned is not known"
    return "this model has not learned"


def _asked(model: Model, statement: "_Statement") -> list[tuple[str, View]]:
    """Give the views that can differ on a statement, by their names."""
    if statement.about_images:
        return [(model.label, model.views[0])]
    return [(view.label, view) for view in model.views]


def _verdict(judged: Sequence[bool]) -> str:
    """Pool the findings into one word."""
    if not judged:
        return "not judged"
    if all(judged):
        return "agrees"
    return "depends on the model or view" if any(judged) else "differs"


def _ranks_vary(view: View) -> Finding:
    """Count the strata; they should be several."""
    if not view.has_ranks:
        return _NO_RANKS
    count = len(view.strata())
    return Finding(_strata_text(view), count > 1)


def _ranks_fixed(view: View) -> Finding:
    """Count the strata; there should be one."""
    if not view.has_ranks:
        return _NO_RANKS
    return Finding(_strata_text(view), len(view.strata()) == 1)


def _strata_text(view: View) -> str:
    """Say how many strata there are."""
    found = view.strata()
    if len(found) == 1:
        return f"one rank triple, {triple(next(iter(found)))}, over all levels"
    return f"{len(found)} rank triples over all levels ({len(view.strata(0.0))} on clean images)"


def _ranks_in_ranges(view: View) -> Finding:
    """Pool clean and noisy ranks, as the paper's figure 3 shows them."""
    if not view.has_ranks:
        return _NO_RANKS
    triples = _clean_and_noisy(view)
    text = ", ".join(
        f"{mode} {span(one[index] for one in triples)}" for index, mode in enumerate(MODES)
    )
    inside = all(
        low <= rank <= high
        for one in triples
        for rank, (low, high) in zip(one, _PAPER_RANGES.values(), strict=True)
    )
    return _in_reach(view, text, inside)


def _ranks_as_papers_vae(view: View) -> Finding:
    """Look for the one triple that the paper names."""
    if not view.has_ranks:
        return _NO_RANKS
    triples = _clean_and_noisy(view)
    text = ", ".join(
        f"{mode} {span(one[index] for one in triples)}" for index, mode in enumerate(MODES)
    )
    return _in_reach(view, text, set(triples) == {_PAPER_VAE})


def _in_reach(view: View, text: str, agrees: bool) -> Finding:
    """Judge ranks only where the shape of the latent allows those of the paper."""
    hindrance = _out_of_reach(view)
    return Finding(text + hindrance, None if hindrance else agrees)


def _clean_and_noisy(view: View) -> list[tuple[int, ...]]:
    """Give the rank triples at the two levels of the paper's figure 3."""
    levels = [0.0] if view.noisy is None else [0.0, view.noisy]
    return list(chain.from_iterable(view.triples(level) for level in levels))


def _dimension(view: View) -> Finding:
    """Say the dimension; the paper's numbers are not known."""
    levels = [float(level) for level in view.data["noise"].values]
    first, last = (estimate(*view.dimension(level), 0) for level in (levels[0], levels[-1]))
    if len(levels) == 1:
        return Finding(f"{first} on clean images", None)
    return Finding(f"{first} on clean images, {last} at {levels[-1]:g}", None)


def _psnr_drops(view: View) -> Finding:
    """Compare the ends of the PSNR curve."""
    curve = view.data["psnr_mean"].values
    if len(curve) < 2:
        return _NO_NOISE
    return Finding(_psnr_text(view), bool(curve[0] - curve[-1] > FLAT_DB))


def _psnr_flat(view: View) -> Finding:
    """Look for the largest change of the PSNR curve."""
    curve = view.data["psnr_mean"].values
    if len(curve) < 2:
        return _NO_NOISE
    return Finding(_psnr_text(view), bool(curve.max() - curve.min() <= FLAT_DB))


def _psnr_text(view: View) -> str:
    """Say where the PSNR curve begins and ends."""
    first, last = (
        estimate(view.data["psnr_mean"].isel(noise=at), view.data["psnr_ci"].isel(noise=at))
        for at in (0, -1)
    )
    return f"{first} dB clean, {last} dB at {float(view.data['noise'][-1]):g}"


def _angles_rise(view: View) -> Finding:
    """Compare the mean angle at the lowest and at the highest level."""
    angles, text = _mean_angles(view)
    return Finding(text, angles[-1] > angles[0]) if len(angles) > 1 else _NO_NOISE


def _angles_zero(view: View) -> Finding:
    """Look for the largest mean angle."""
    angles, text = _mean_angles(view)
    return Finding(text, max(angles) < ZERO_DEGREES) if angles else _NO_NOISE


def _mean_angles(view: View) -> tuple[list[float], str]:
    """Give the mean angle at every level above 0, and its ends in words."""
    levels = [float(level) for level in view.data["noise"].values if level > 0]
    angles = [view.angle(level)[0] for level in levels]
    if not levels:
        return [], ""
    first, last = angles[0], angles[-1]
    return angles, f"{number(first)}° at {levels[0]:g}, {number(last)}° at {levels[-1]:g}"


@dataclass(frozen=True)
class _Statement:
    """A row of the table: where it comes from, what it says, how it is judged."""

    mark: str
    text: str
    criterion: str
    recipes: tuple[str, ...]
    find: Callable[[View], Finding]
    about_images: bool = False  # the same for every view of a model


_STATEMENTS = (
    _Statement(
        "P",
        "CAE and DAE latents form a stratified, non-smooth manifold: ranks vary.",
        "more than one rank triple over all images and noise levels",
        ("cae", "dae"),
        _ranks_vary,
    ),
    _Statement(
        "S",
        f"Pooled ranks of CAE and DAE: S1 5{EN_DASH}7, S2 6{EN_DASH}7, S3 29{EN_DASH}48.",
        "clean and noisy ranks lie within these ranges",
        ("cae", "dae"),
        _ranks_in_ranges,
    ),
    _Statement(
        "P",
        "VAE latents form one smooth product of two SPD and one SPSD matrix manifolds: ranks "
        "are fixed.",
        "one rank triple over all images and noise levels",
        ("vae",),
        _ranks_fixed,
    ),
    _Statement(
        "S",
        f"Ranks of the VAE: always {triple(_PAPER_VAE)}.",
        f"every image has {triple(_PAPER_VAE)}, clean and noisy",
        ("vae",),
        _ranks_as_papers_vae,
    ),
    _Statement(
        "P",
        "Hilbert dimension is plotted against noise (figure 4; its values are not known to us).",
        "none: there is no number to compare with",
        ("cae", "dae", "vae"),
        _dimension,
    ),
    _Statement(
        "S",
        "PSNR of CAE and DAE drops with noise.",
        f"falls by more than {FLAT_DB:g} dB from clean to the highest level",
        ("cae", "dae"),
        _psnr_drops,
        about_images=True,
    ),
    _Statement(
        "S",
        "PSNR of the VAE is flat at about 25 dB over the noise levels.",
        f"changes by at most {FLAT_DB:g} dB over all levels (its height depends on the data)",
        ("vae",),
        _psnr_flat,
        about_images=True,
    ),
    _Statement(
        "S",
        "Principal angles rise with noise for CAE and DAE.",
        "mean angle larger at the highest level than at the lowest above 0",
        ("cae", "dae"),
        _angles_rise,
    ),
    _Statement(
        "S",
        'Principal angles "remain zero" for the VAE.',
        f"mean angle below {ZERO_DEGREES:g}° at every level",
        ("vae",),
        _angles_zero,
    ),
)
