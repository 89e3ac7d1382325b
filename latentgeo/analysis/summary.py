"""The analysis as one JSON document (schema in docs/summary.md)."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from latentgeo.geometry import product_stratum_dimension, strata_counts

SCHEMA_VERSION = 1


def summarize(tree: xr.DataTree) -> dict[str, Any]:
    """Give the summary of an analysis.

    Parameters
    ----------
    tree : xarray.DataTree
        From `latentgeo.analyze`: one child per model.

    Returns
    -------
    dict
        JSON-ready: every number a plain number, NaN as None; noise levels, ranks and strata
        are keys of type str. The schema is documented in docs/summary.md.
    """
    models = {str(label): child.to_dataset() for label, child in tree.children.items()}
    return {
        "schema_version": SCHEMA_VERSION,
        "data": tree.attrs["data"],
        "samples": int(tree.attrs["samples"]),
        "seed": int(tree.attrs["seed"]),
        "perturbation": tree.attrs["perturbation"],
        "noise": next(iter(models.values()))["noise"].values.tolist(),
        "provenance": json.loads(tree.attrs["provenance"]),
        "models": {label: _model(result) for label, result in models.items()},
    }


def _model(result: xr.Dataset) -> dict[str, Any]:
    found: dict[str, Any] = {
        "recipe": result.attrs["recipe"],
        "backbone": result.attrs["backbone"],
        "learned": _learned(result),
        "verdict": result.attrs["verdict"],
        "latent_shape": [int(length) for length in result.attrs["latent_shape"]],
        "latent_kind": result.attrs["latent_kind"],
        "compared_images": int(result.attrs.get("compared_images", result.sizes["sample"])),
        "angle_images": int(result.attrs.get("angle_images", result.sizes["sample"])),
        "rank_rule": result.attrs["rank_rule"],
        "source_dtype": result.attrs["source_dtype"],
        "kernel": result.attrs["kernel"],
        "weights_sha256": result.attrs["weights_sha256"],
        "omitted": json.loads(result.attrs["omitted"]),
        "psnr_db": _psnr(result) if "psnr_mean" in result else None,
        "psnr_mean_image_db": (
            _number(result["psnr_baseline_mean"]) if "psnr_baseline_mean" in result else None
        ),
        **_view(result, "mean"),
    }
    if "sample" in result["view"].values:
        found["sampled"] = _view(result, "sample")
    if "rank" in result:
        found["ranks_with_jitter"] = _ranks(result["rank_with_jitter"])
        found["strata_dimension"] = _strata_dimension(result["rank"], found["latent_shape"])
    if "active_units" in result:
        found["units"] = _units(result)
    if "pullback_condition" in result:
        found["decoder_metric"] = _pullback(result)
    return found


def _learned(result: xr.Dataset) -> bool | None:
    """Say whether the model has learned; None where nothing is reconstructed."""
    learned = int(result.attrs["learned"])
    return bool(learned) if learned >= 0 else None


def _view(result: xr.Dataset, view: str) -> dict[str, Any]:
    """Give what is keyed by noise level, for the mean or for a sample of the posterior."""
    seen = result.sel(view=view)
    found: dict[str, Any] = {
        "hilbert_dimension": _dimension(seen),
        "intrinsic_dimension": _intrinsic(seen),
        "principal_angles_deg": _angles(seen),
        "principal_angles_null_deg": _null(seen),
    }
    if "rank" in seen:
        rule = result.attrs["rank_rule"]
        found["ranks"] = _ranks(seen["rank"].sel(rule=rule))
        found["strata"] = _strata(seen["rank"].sel(rule=rule))
        found["ranks_by_other_rules"] = {
            str(other): _ranks(seen["rank"].sel(rule=other))
            for other in seen["rule"].values
            if other != rule
        }
        found["stratification"] = _by_level(
            seen[["stratification", "rank_in_doubt"]],
            lambda level: {
                "verdict": str(level["stratification"].values),
                "share_in_doubt": _number(level["rank_in_doubt"]),
            },
        )
        found["dead_channels"] = _by_level(seen["dead_channels"], int)
    return found


def _by_level(values: Any, summarise: Callable[[Any], Any]) -> dict[str, Any]:
    """Key by noise level what `summarise` makes of each level."""
    return {
        f"{float(level):g}": summarise(values.isel(noise=place))
        for place, level in enumerate(values["noise"])
    }


def _ranks(rank: xr.DataArray) -> dict[str, dict[str, dict[str, int]]]:
    return _by_level(
        rank,
        lambda level: {
            str(mode): _counts(level.sel(mode=mode).values) for mode in rank["mode"].values
        },
    )


def _counts(values: np.ndarray) -> dict[str, int]:
    found, counts = np.unique(values, return_counts=True)
    return {str(value): int(count) for value, count in zip(found, counts, strict=True)}


def _strata(rank: xr.DataArray) -> dict[str, dict[str, int]]:
    return _by_level(
        rank,
        lambda level: {
            _key(triple): int(count) for triple, count in strata_counts(level.values).items()
        },
    )


def _strata_dimension(rank: xr.DataArray, latent_shape: list[int]) -> dict[str, int]:
    channels, rows, columns = latent_shape
    triples = np.unique(rank.values.reshape(-1, 3), axis=0)
    return {
        _key(triple): int(product_stratum_dimension((rows, columns, channels), tuple(triple)))
        for triple in triples.tolist()
    }


def _key(triple: Any) -> str:
    return ",".join(str(int(rank)) for rank in triple)


def _dimension(seen: xr.Dataset) -> dict[str, Any]:
    values = seen["hilbert_dimension"].sel(centring="centred", part="product")
    return _by_level(
        xr.Dataset({"value": values, "ends": seen["hilbert_dimension_ci"]}),
        lambda level: {
            f"{share:.2f}": {
                "value": int(level["value"].sel(share=share)),
                "ci95": _pair(level["ends"].sel(share=share)),
            }
            for share in level["share"].values
        },
    )


def _intrinsic(seen: xr.Dataset) -> dict[str, Any]:
    return _by_level(
        seen[
            [
                "intrinsic_dimension",
                "intrinsic_dimension_ci",
                "intrinsic_dimension_half",
                "intrinsic_points",
            ]
        ],
        lambda level: {
            "two-nn": {
                **_estimate(level, "intrinsic_dimension", estimator="two-nn"),
                "at_half_the_images": _number(level["intrinsic_dimension_half"]),
                "points": int(level["intrinsic_points"]),
            },
            "local-pca": _estimate(level, "intrinsic_dimension", estimator="local-pca"),
        },
    )


def _estimate(level: xr.Dataset, name: str, **at: Any) -> dict[str, Any]:
    """Give a value and its interval, which is the variable of the same name with `_ci`."""
    return {"value": _number(level[name].sel(at)), "ci95": _pair(level[f"{name}_ci"].sel(at))}


def _units(result: xr.Dataset) -> dict[str, Any]:
    names = [name for name in result if str(name).startswith(("unit_", "active_", "kl_"))]
    return {
        "number": int(result.sizes["unit"]),
        "by_noise": _by_level(result[names], _units_at),
    }


def _units_at(level: xr.Dataset) -> dict[str, Any]:
    found: dict[str, Any] = {
        "active": _estimate(level, "active_units"),
        "collapsed": np.flatnonzero(level["unit_collapsed"].values).tolist(),
        "variance": _plain(level["unit_variance"]),
    }
    if "kl_total" in level:
        found["kl_nats"] = _plain(level["unit_kl"])
        found["posterior_variance"] = _plain(level["unit_posterior_variance"])
        found["kl_total_nats"] = _estimate(level, "kl_total")
    return found


def _plain(values: xr.DataArray) -> list[float | None]:
    return [_number(value) for value in values]


def _pullback(result: xr.Dataset) -> dict[str, Any]:
    names = [name for name in result if str(name).startswith("pullback_")]
    seen = result[names].rename(pullback_noise="noise")
    return {
        "directions": result["pullback_condition"].attrs["directions"],
        "images": int(result.sizes["pullback_sample"]),
        "by_noise": _by_level(
            seen,
            lambda level: {
                "condition": _median(level, "pullback_condition"),
                "log_volume": _median(level, "pullback_log_volume"),
                "images_with_an_unseen_direction": int(np.isinf(level["pullback_condition"]).sum()),
            },
        ),
    }


def _median(level: xr.Dataset, name: str) -> dict[str, Any]:
    return {"median": _number(level[f"{name}_median"]), "ci95": _pair(level[f"{name}_ci"])}


def _angles(seen: xr.Dataset) -> dict[str, Any]:
    return _by_level(
        seen[["principal_angle_statistic", "principal_angle_ci"]],
        lambda level: {
            str(name): {
                "value": _number(level["principal_angle_statistic"].sel(statistic=name)),
                "ci95": _pair(level["principal_angle_ci"].sel(statistic=name)),
            }
            for name in level["statistic"].values
            if name != "chordal"
        },
    )


def _null(seen: xr.Dataset) -> dict[str, Any]:
    null = seen["principal_angle_null_mean"].dropna("null")
    return {
        "mean_angle_between": {
            str(name): _mean_and_range(null.sel(null=name).values) for name in null["null"].values
        },
        "mean_angle_of_a_clean_half_to_itself_noisy": _by_level(
            seen["principal_angle_split_mean"], lambda level: _mean_and_range(level.values)
        ),
    }


def _mean_and_range(values: np.ndarray) -> dict[str, Any]:
    low, high = np.quantile(values, [0.025, 0.975])
    return {"mean": float(values.mean()), "range95": [float(low), float(high)]}


def _psnr(result: xr.Dataset) -> dict[str, Any]:
    return _by_level(
        result[["psnr_mean", "psnr_ci"]],
        lambda level: {"mean": _number(level["psnr_mean"]), "ci95": _pair(level["psnr_ci"])},
    )


def _pair(ends: xr.DataArray) -> list[float | None]:
    return [_number(ends.sel(bound=bound)) for bound in ("low", "high")]


def _number(value: xr.DataArray) -> float | None:
    """Give a plain number; JSON knows neither NaN nor infinity."""
    plain = float(value)
    return plain if np.isfinite(plain) else None
