"""What arXiv 2412.04755 claims of CAE, DAE and VAE, beside what several seeds say together.

Whether they agree is computed. The paper's method section could not be read.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from study import Claim
from study.judge import MARKS as _MARKS

Models = Mapping[str, Any]
Parts = dict[str, bool]

MARKS = {mark: _MARKS[mark] for mark in "PSDC"}
#: The paper's ranks, pooled, of CAE and DAE; those of its VAE; and its latents' positions.
RANKS = {"S1": (5, 7), "S2": (6, 7), "S3": (29, 48)}
VAE_RANKS = (7, 7, 48)
POSITIONS = (7, 7)
#: What counts as flat, and as zero.
FLAT_DB = 1.0
ZERO_DEGREES = 1.0
_NAMES = ("cae", "dae", "vae")


def _views(models: Models) -> dict[str, Mapping[str, Any]]:
    return {
        f"{name}, {view}": found for name in _NAMES for view, found in models[name]["views"].items()
    }


def _by_rule(models: Models, name: str) -> dict[str, Mapping[str, Any]]:
    """Return the ranges of ranks in each view and by each rule."""
    return {
        f"{view}, {rule}": levels
        for view, found in models[name]["views"].items()
        for rule, levels in found["rank_ranges"].items()
    }


def _format_ranges(levels: Mapping[str, Mapping[str, list[int]]]) -> str:
    """Return the ranges of the three ranks, pooled over the levels."""
    parts = []
    for mode in RANKS:
        low = min(level[mode][0] for level in levels.values())
        high = max(level[mode][1] for level in levels.values())
        parts.append(f"{mode} {low}" if low == high else f"{mode} {low} to {high}")
    return ", ".join(parts)


def _ranks_vary(name: str) -> Claim:
    def rules(models: Models) -> Mapping[str, Any]:
        ranges: Mapping[str, Any] = models[name]["views"]["mean"]["rank_ranges"]
        return ranges

    def ours(models: Models) -> str:
        texts = (f"{rule}: {_format_ranges(levels)}" for rule, levels in rules(models).items())
        return "; ".join(texts)

    def holds(models: Models) -> Parts:
        return {
            rule: any(low < high for level in levels.values() for low, high in level.values())
            for rule, levels in rules(models).items()
        }

    ranges = ", ".join(f"{mode} {low} to {high}" for mode, (low, high) in RANKS.items())
    statement = f"{name.upper()} ranks vary: {ranges}, pooled"
    return Claim(statement, "S", ours, holds, "the rank rule")


def _describe_vae_ranks(models: Models) -> str:
    found = _by_rule(models, "vae")
    return "; ".join(f"{key}: {_format_ranges(levels)}" for key, levels in found.items())


def _are_fixed(models: Models) -> Parts:
    wanted = dict(zip(RANKS, VAE_RANKS, strict=True))
    return {
        key: all(
            level[mode] == [rank, rank]
            for level in levels.values()
            for mode, rank in wanted.items()
        )
        for key, levels in _by_rule(models, "vae").items()
    }


def _describe_strata(models: Models) -> str:
    text = "; ".join(f"{key}: {span(view['strata']['0'])}" for key, view in _views(models).items())
    return f"rank triples on clean images (spectrum rule): {text}"


def _are_stratified(models: Models) -> Parts:
    counts = {key: found["strata"]["0"] for key, found in _views(models).items()}
    return {
        key: max(strata) == 1 if key.startswith("vae") else min(strata) > 1
        for key, strata in counts.items()
    }


def _describe_psnr(models: Models) -> str:
    curves = {name: models[name]["psnr_db"] for name in _NAMES}
    return "; ".join(
        f"{name}: {span(curve['0'])} dB clean, {span(curve['0.5'])} dB at 0.5"
        for name, curve in curves.items()
    )


def _is_flat(models: Models) -> Parts:
    cae, dae, vae = (
        np.subtract(models[name]["psnr_db"]["0"], models[name]["psnr_db"]["0.5"]) for name in _NAMES
    )
    least = min(cae.min(), dae.min())
    return {
        "the VAE is flat (within 1 dB)": bool(vae.max() < FLAT_DB),
        "CAE and DAE drop (by more than 1 dB)": bool(least > FLAT_DB),
        "the VAE drops least": bool(vae.max() < least),
    }


def _describe_angles(models: Models) -> str:
    texts = []
    for key, found in _views(models).items():
        angles, null = found["mean_angle_deg"], found["mean_angle_null_deg"]["disjoint clean sets"]
        levels = ", ".join(f"{span(angles[level])}° at {level}" for level in ("0.01", "0.1", "0.5"))
        texts.append(f"{key}: {levels} (disjoint clean halves: {span(null)}°)")
    return "; ".join(texts)


def _do_rise(models: Models) -> Parts:
    holds = {}
    for key, found in _views(models).items():
        first, last = (found["mean_angle_deg"][level] for level in ("0.01", "0.5"))
        rises = all(low < high for low, high in zip(first, last, strict=True))
        holds[key] = max(last) < ZERO_DEGREES if key.startswith("vae") else rises
    return holds


def span(values: Sequence[float]) -> str:
    """Return the mean over seeds with the range."""
    if len({f"{value:.4g}" for value in values}) == 1:
        return f"{values[0]:.4g}"
    return f"{np.mean(values):.4g} [{min(values):.4g}, {max(values):.4g}]"


_VIEW_AND_RULE = "posterior mean or sample, and the rank rule"
CLAIMS = (
    _ranks_vary("cae"),
    _ranks_vary("dae"),
    Claim(
        f"VAE ranks are always {VAE_RANKS}", "S", _describe_vae_ranks, _are_fixed, _VIEW_AND_RULE
    ),
    Claim(
        "CAE and DAE latents form a stratified manifold, VAE latents one smooth one",
        "P",
        _describe_strata,
        _are_stratified,
        _VIEW_AND_RULE,
    ),
    Claim(
        "PSNR of the VAE is flat at about 25 dB over the noise; CAE and DAE drop",
        "S",
        _describe_psnr,
        _is_flat,
        "how far the noise goes, and training (a DAE sees noise up to 0.3)",
    ),
    Claim(
        "Mean principal angle rises with noise for CAE and DAE, remains zero for VAE",
        "S",
        _describe_angles,
        _do_rise,
        "kernel and subspace dimension, of which the paper's are unknown",
    ),
)
