"""A synthetic analysis: right in schema, plausible in values, made without any model.

Ranks come from made-up spectra by the rules themselves, so that histograms, strata, curves and
tolerances agree with each other.
"""

import json
from hashlib import sha256

import numpy as np
import xarray as xr
from sklearn.datasets import load_digits

NOISE = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
MODES = ["S1", "S2", "S3"]
SHARES = [0.90, 0.95, 0.99]
STATISTICS = ["smallest", "largest", "mean", "chordal"]
SIMILARITIES = ["linear-cka", "subspace"]
RULES = ["spectrum", "float32-covariance"]
# label, recipe, backbone, stochastic, learned
MODELS = (
    ("CAE", "cae", "sctc", False, True),
    ("DAE", "dae", "sctc", False, True),
    ("VAE", "vae", "sctc", True, True),
    ("CAE-MLP", "cae", "mlp", False, True),
    ("CAE seed 1", "cae", "sctc", False, False),
    ("VAE beta 0.1", "vae", "sctc", True, True),
    ("DAE wide", "dae", "sctc", False, True),
    ("CAE linear latent", "cae", "sctc", False, True),
    ("VAE-MLP", "vae", "mlp", True, True),
    ("resnet:layer3.block 1", "foreign", "resnet", False, None),  # has no decoder
    ("_odd $name$:decoder.net.features.conv_2", "cae", "sctc", False, True),
)
EPSILON = float(np.finfo("float32").eps)


def make_tree(models=3, *, samples=60, noise=NOISE, shape=(64, 7, 7), tsne=True, only=None):
    """Build an analysis of the first `models` rows of MODELS, or of the labels in `only`."""
    rows = [row for row in MODELS[:models] if only is None or row[0] in only]
    if only is not None:
        rows = [row for row in MODELS if row[0] in only]
    shared = _shared(samples, len(noise))
    children = {
        row[0]: _model(row, samples, np.asarray(noise, float), shape, shared, tsne, index)
        for index, row in enumerate(rows)
    }
    for place, label in enumerate(children):
        others = [name for name in children if name != label]
        if others:
            children[label] = children[label].merge(_similarity(place, others, noise))
    tree = xr.DataTree.from_dict({f"/{label}": data for label, data in children.items()})
    tree.attrs = {
        "provenance": json.dumps(_provenance()),
        "data": "digits",
        "samples": samples,
        "seed": 0,
        "perturbation": "gaussian",
    }
    return tree


def make_summary(tree):
    """Build the few keys of a summary that a report may look at."""
    return {
        "schema_version": 1,
        "data": tree.attrs["data"],
        "samples": tree.attrs["samples"],
        "seed": tree.attrs["seed"],
        "perturbation": tree.attrs["perturbation"],
        "provenance": _provenance(),
        "models": {str(label): {"learned": True} for label in tree.children},
    }


def _provenance():
    return {
        "created": "2025-01-01T00:00:00+00:00",
        "command": "latentgeo analyze a b c --data digits",
        "versions": {"python": "3.12.0", "latentgeo": "0.1.0", "torch": "2.13.0"},
        "machine": {"system": "Linux", "architecture": "x86_64", "cores": 2},
        "data_sha256": "0" * 64,
    }


def _shared(samples, levels):
    """Images, labels and noise that every model sees alike."""
    digits = load_digits()
    rng = np.random.default_rng(1)
    images = np.kron(digits.images[:8] / 16, np.ones((3, 3)))
    images = np.pad(images, ((0, 0), (2, 2), (2, 2)))[:, None]
    return {
        "labels": digits.target[np.arange(samples) % len(digits.target)],
        "images": images,
        "draw": rng.normal(size=images.shape),
    }


def _model(row, samples, noise, shape, shared, tsne, index):
    _, recipe, backbone, stochastic, learned = row
    rng = np.random.default_rng(100 + index)
    vector = backbone == "mlp"
    views = ["mean", "sample"] if stochastic else ["mean"]
    parts = {}
    if not vector:
        parts |= _ranks(rng, views, noise, samples, shape, recipe)
    parts |= _hilbert(rng, views, noise, samples, recipe, vector)
    parts |= _angles(rng, views, noise, recipe, stochastic)
    parts |= _intrinsic(rng, views, noise)
    parts |= _fixed_angles(np.random.default_rng(index), views, noise, recipe, stochastic)
    if vector or stochastic:
        parts |= _units(rng, noise, 32 if vector else shape[0], stochastic)
    if learned is not None:
        parts |= _psnr(rng, noise, samples, recipe, learned)
        parts |= _examples(noise, shared, recipe, learned)
        parts |= _pullback(rng, noise, samples, vector)
    if tsne:
        parts |= _tsne(rng, noise, shared["labels"])
    parts["label"] = (("sample",), shared["labels"])
    coords = {
        "noise": noise,
        "sample": np.arange(samples) * 7,
        "view": views,
        "part": ["product"] if vector else [*MODES, "product"],
        "share": SHARES,
        "centring": ["centred", "uncentred"],
        "bound": ["low", "high"],
        "statistic": STATISTICS,
        "null": ["disjoint clean sets", "two draws"] if stochastic else ["disjoint clean sets"],
        "split": np.arange(5),
        "size": _sizes(samples),
        "angle_size": _sizes(samples),
        "estimator": ["two-nn", "local-pca"],
        "subspace_dimension": [1, 2, 5, 10, 20],
        "subspace": ["1", "2", "5", "10", "20", "share"],
    }
    if stochastic:
        coords["second_draw_noise"] = noise[:2]
    if vector or stochastic:
        coords["unit"] = np.arange(32 if vector else shape[0])
    if learned is not None:
        coords["pullback_noise"] = np.unique([noise[0], noise.max()])
    if not vector:
        coords |= {"mode": MODES, "rule": RULES, "tolerance": np.logspace(-9, 0, 40)}
    if tsne:
        coords |= {"tsne_seed": [0, 1, 2], "tsne_noise": _tsne_noise(noise)}
    attrs = _attrs(row, shape, vector)
    return xr.Dataset(parts, coords, attrs)


def _attrs(row, shape, vector):
    label, recipe, backbone, stochastic, learned = row
    vector_words = [
        {"analysis": "rank", "reason": "a vector latent (32×1×1) has no three unfoldings"},
        {"analysis": "strata", "reason": "without ranks there are no rank triples"},
    ]
    decoder_words = [{"analysis": "PSNR", "reason": "this model has no decoder"}]
    verdict = (
        "It has learned: its PSNR of 24.8 dB on clean images lies 14.3 dB above the mean image."
        if learned
        else "Whether the model can reconstruct cannot be judged: it has no decoder."
        if learned is None
        else "It has not learned: its PSNR of 10.6 dB is that of the mean image (10.5 dB)."
    )
    return {
        "recipe": recipe,
        "backbone": backbone,
        "stochastic": int(stochastic),
        "latent_kind": "vector" if vector else "tensor",
        "latent_shape": [32, 1, 1] if vector else list(shape),
        "learned": -1 if learned is None else int(learned),
        "verdict": verdict,
        "rank_rule": "none" if vector else "spectrum",
        "settings": json.dumps({"jitter": 0.01, "halves": 5, "angle_share": 0.95}),
        "source_dtype": "float32",
        "kernel": "linear" if vector else "euclidean",
        "weights_sha256": sha256(recipe.encode()).hexdigest(),
        "checkpoint": label.lower().replace(" ", "-"),
        "provenance": json.dumps(_provenance()),
        "omitted": json.dumps(
            (vector_words if vector else []) + (decoder_words if learned is None else [])
        ),
    }


def _ranks(rng, views, noise, samples, shape, recipe):
    """Spectra that decay, cut where a rank ends; noise lifts what was cut."""
    channels, height, width = shape
    full = np.array([height, width, min(channels, height * width - 1)])
    size = min(max(height, width, channels), height * width)
    rows = np.array([height, width, channels])
    columns = np.array([channels * width, channels * height, height * width])
    dims = (len(views), len(noise), samples, 3, size)
    values = np.full(dims, np.nan)
    for v, view in enumerate(views):
        loss = _rank_loss(rng, samples, recipe, view, full)
        for n, level in enumerate(noise):
            lost = np.maximum(loss - rng.binomial(3, min(1.0, 3 * level), loss.shape), 0)
            for m in range(3):
                length = min(rows[m], columns[m])
                index = np.arange(length)
                decay = np.exp(-index * (7.0 / full[m]) - 0.3 * rng.random((samples, 1)))
                decay *= np.exp(0.15 * rng.normal(size=(samples, length)))
                kept = index < (full[m] - lost[:, m])[:, None]
                tail = 1e-8 * rng.random((samples, length))
                spectrum = 10 * np.where(kept, decay, tail)
                values[v, n, :, m, :length] = -np.sort(-spectrum, axis=1)
    relative = np.nan_to_num(values / values[..., :1])
    cuts = {
        "spectrum": np.maximum(rows, columns) * EPSILON,
        "float32-covariance": np.sqrt(rows * EPSILON),
    }
    rank = np.stack([(relative > cuts[rule][:, None]).sum(-1) for rule in RULES])
    tolerance = np.logspace(-9, 0, 40)
    at = (relative[..., None] > tolerance).sum(-2)
    low, high = np.quantile(at, (0.05, 0.95), axis=2)
    dead = np.zeros((len(views), len(noise)), int)
    dead[views.index("mean")] = 3 if recipe == "cae" else 0
    return {
        "rank": (("rule", "view", "noise", "sample", "mode"), rank),
        "singular_value": (("view", "noise", "sample", "mode", "component"), values),
        "rank_at_tolerance": (("view", "noise", "mode", "tolerance"), at.mean(2)),
        "rank_at_tolerance_ci": (
            ("view", "noise", "mode", "tolerance", "bound"),
            np.stack([low, high], -1),
        ),
        "rank_with_jitter": (
            ("noise", "sample", "mode"),
            np.broadcast_to(np.minimum(full, columns), (len(noise), samples, 3)).copy(),
        ),
        "dead_channels": (("view", "noise"), dead),
        "with_equal_positions": (("view", "noise"), np.full(dead.shape, 0.02)),
        "rank_is_of_positions": (("view", "noise"), np.full(dead.shape, 1.0)),
        "stratification": (
            ("view", "noise"),
            np.full(dead.shape, "smooth" if recipe == "vae" else "stratified", dtype=object),
        ),
        "rank_in_doubt": (("view", "noise"), np.full(dead.shape, 0.0)),
        **_without_tolerance(rank[0].mean(2)),
    }


def _without_tolerance(rank):
    """Ranks below the integers (view, noise, mode)."""
    found = {"rank_me": (("view", "noise"), 3 * rank[..., 0])}
    found["rank_me_ci"] = (
        ("view", "noise", "bound"),
        np.stack([2 * rank[..., 0], 9 + 2 * rank[..., 0]], -1),
    )
    for name, share in (("effective_rank", 0.8), ("stable_rank", 0.3)):
        found[name] = (("view", "noise", "mode"), share * rank)
        ends = np.stack([share * rank - 0.1, share * rank + 0.1], -1)
        found[f"{name}_ci"] = (("view", "noise", "mode", "bound"), ends)
    return found


def _rank_loss(rng, samples, recipe, view, full):
    """How far below full rank each image lies: sampled and jittered latents lose nothing."""
    if view != "mean":
        return np.zeros((samples, 3), int)
    spread = {"dae": (0.9, 0.8, 6.0), "vae": (0.0, 0.0, 4.0)}.get(recipe, (1.4, 1.2, 9.0))
    loss = np.minimum(rng.poisson(spread, size=(samples, 3)), full // 2)
    return loss.astype(int)


def _hilbert(rng, views, noise, samples, recipe, vector):
    parts = 1 if vector else 4
    slope = {"dae": 0.25, "vae": 0.05}.get(recipe, 0.5)
    base = {"dae": 0.36, "vae": 0.52}.get(recipe, 0.30) * samples
    scale = np.array([0.75, 1.0, 1.35])
    growth = 1 + slope * noise / 0.3
    value = base * growth[None, :, None, None, None] * scale[None, None, None, :, None]
    value = np.minimum(value * np.ones((len(views), 1, parts, 1, 2)), samples - 1)
    value = np.round(value + rng.uniform(-1, 1, value.shape)).astype(int)
    value[..., 1] = np.maximum(value[..., 1] - 3, 1)
    centre = value[:, :, -1, :, 0]
    half = np.maximum(1.0, 0.04 * centre)
    trace = np.tile([0.5, 0.5, 0.25], (len(views), len(noise), 1))
    sizes = np.array(_sizes(samples))
    saturating = centre[:, :, None, :] * (1 - np.exp(-2.2 * sizes / samples))[None, None, :, None]
    saturating = np.minimum(saturating / (1 - np.exp(-2.2)), sizes[None, None, :, None] - 1)
    saturating = np.moveaxis(saturating, 2, 3)
    settled = np.full(centre.shape, "settled", dtype=object)
    settled[:, 1:] = "still rising"
    settled[centre > (samples - 1) / 2] = "bounded by n"
    better = np.where(settled == "settled", centre + 1.0, np.nan)
    small = np.tile([0.02, 0.03, 0.6, 0.55], (len(views), len(noise), 1))
    found = {
        "hilbert_dimension": (("view", "noise", "part", "share", "centring"), value),
        "hilbert_dimension_ci": (
            ("view", "noise", "share", "bound"),
            np.stack([centre - half, centre + half], -1),
        ),
        "hilbert_dimension_settled": (("view", "noise", "share"), settled),
        "hilbert_dimension_by_size": (("view", "noise", "share", "size"), saturating),
        "hilbert_dimension_population": (("view", "noise", "share"), better),
        "hilbert_dimension_population_ci": (
            ("view", "noise", "share", "bound"),
            np.stack([better - 3, better + 3], -1),
        ),
        "small_eigenvalue_share": (
            ("view", "noise", "part"),
            np.full((len(views), len(noise), 1), np.nan) if vector else small,
        ),
    }
    if vector:
        return found
    return found | {
        "covariance_trace": (("view", "noise", "mode"), trace),
        "covariance_trace_ci": (
            ("view", "noise", "mode", "bound"),
            np.stack([0.9 * trace, 1.1 * trace], -1),
        ),
    }


def _sizes(samples):
    return [samples // 4, samples // 2, samples]


def _angles(rng, views, noise, recipe, stochastic):
    rise = {"dae": 55, "vae": 40}.get(recipe, 75)
    count = 24
    index = np.linspace(0, 1, count)
    strength = rise * noise / (noise + 0.12)
    angles = strength[None, :, None] * index[None, None, :] ** 1.6 * np.ones((len(views), 1, 1))
    angles = np.sort(np.clip(angles, 0, 90), -1)
    angles[:, noise > 0.25, -3:] = np.nan
    smallest, largest = np.nanmin(angles, -1), np.nanmax(angles, -1)
    mean = np.nanmean(angles, -1)
    chordal = np.sqrt(np.nansum(np.sin(np.radians(angles)) ** 2, -1))
    statistic = np.stack([smallest, largest, mean, chordal], -1)
    ci = np.stack([statistic * 0.95, statistic * 1.05], -1)
    split = mean[..., None] * (1.08 + 0.03 * rng.normal(size=(*mean.shape, 5)))
    settled = np.full(mean.shape, "settled", dtype=object)
    settled[:, -1] = "still falling"
    nulls = 2 if stochastic else 1
    null = np.full((len(views), nulls, 5), np.nan)
    null[:, 0] = 48 + 1.5 * rng.normal(size=(len(views), 5))
    if stochastic:
        null[views.index("sample"), 1] = 14 + 0.8 * rng.normal(size=5)
    return {
        "principal_angle": (("view", "noise", "angle"), angles),
        "principal_angle_statistic": (("view", "noise", "statistic"), statistic),
        "principal_angle_ci": (("view", "noise", "statistic", "bound"), ci),
        "principal_angle_settled": (("view", "noise"), settled),
        "principal_angle_by_size": (
            ("view", "noise", "angle_size"),
            np.stack([1.1 * mean, split.mean(-1), mean], -1),
        ),
        "principal_angle_split_mean": (("view", "noise", "split"), split),
        "principal_angle_null_mean": (("view", "null", "split"), null),
    }


def _psnr(rng, noise, samples, recipe, learned):
    top = {"cae": 25.5, "dae": 24.6, "vae": 22.8}[recipe] if learned else 10.6
    drop = {"cae": 22, "dae": 8, "vae": 14}[recipe] if learned else 0.1
    image = 1.6 * rng.normal(size=samples)
    values = top - drop * noise[:, None] + image + 0.2 * rng.normal(size=(len(noise), samples))
    mean = values.mean(1)
    half = 1.96 * values.std(1) / np.sqrt(samples)
    return {
        "psnr": (("noise", "sample"), values),
        "psnr_mean": (("noise",), mean),
        "psnr_ci": (("noise", "bound"), np.stack([mean - half, mean + half], -1)),
        "psnr_baseline_mean": ((), 10.52),
        "psnr_gain": ((), mean[0] - 10.52),
        "psnr_gain_ci": (("bound",), mean[0] - 10.52 + half[0] * np.array([-1, 1])),
    }


def _fixed_angles(rng, views, noise, recipe, stochastic):
    """Angles that grow with dimension and noise, above those of disjoint clean halves."""
    rise = {"dae": 20, "vae": 10}.get(recipe, 40) * noise / (noise + 0.12)
    dimension = np.linspace(0.4, 1, 5)
    same = rise[:, None] * dimension * np.ones((len(views), 1, 1))
    null = 25 * dimension * (1 + 0.1 * rng.normal(size=(len(views), 1, 5, 5)))
    apart = null + 0.5 * same[:, :, None]
    held = np.array([0.2, 0.35, 0.55, 0.7, 0.8, 0.6]) + 0.02 * rng.normal(size=(len(views), 5, 6))
    by_dimension = ("view", "noise", "subspace_dimension")
    found = {
        "fixed_angle": (by_dimension, same),
        "fixed_angle_ci": ((*by_dimension, "bound"), np.stack([0.9 * same, 1.1 * same], -1)),
        "fixed_angle_apart": (("view", "noise", "split", "subspace_dimension"), apart),
        "fixed_angle_apart_mean": (by_dimension, apart.mean(2)),
        "held_out_variance": (("view", "split", "subspace"), held),
        "held_out_variance_mean": (("view", "subspace"), held.mean(1)),
    }
    if stochastic:
        again = np.stack([30 * dimension, 32 * dimension])[: len(noise[:2])]
        found["fixed_angle_redrawn"] = (("second_draw_noise", "subspace_dimension"), again)
    return found


def _intrinsic(rng, views, noise):
    """A dimension that grows with the noise; the second estimator has a ceiling."""
    two_nn = 8 + 30 * noise * np.ones((len(views), 1)) + 0.3 * rng.normal(size=(len(views), 1))
    value = np.stack([two_nn, np.minimum(19.5, 11 + 12 * noise + 0 * two_nn)], -1)
    reach = np.array([1.0, 0.2])
    return {
        "intrinsic_dimension": (("view", "noise", "estimator"), value),
        "intrinsic_dimension_ci": (
            ("view", "noise", "estimator", "bound"),
            np.stack([value - reach, value + reach], -1),
        ),
        "intrinsic_dimension_half": (("view", "noise"), 0.9 * two_nn),
        "intrinsic_points": (("view", "noise"), np.full(two_nn.shape, 60)),
        "intrinsic_copies": (("view", "noise"), np.full(two_nn.shape, 3)),
        "intrinsic_is_local": (("view", "noise"), two_nn < 10),
    }


def _units(rng, noise, units, stochastic):
    """Half of the units carry less and less, the others nothing."""
    carries = np.maximum(0, 1 - 2 * np.arange(units) / units)[rng.permutation(units)]
    variance = np.broadcast_to(np.maximum(carries, 1e-4), (len(noise), units)).copy()
    collapsed = np.broadcast_to(carries == 0, variance.shape).copy()
    active = (~collapsed).sum(1)
    found = {
        "unit_variance": (("noise", "unit"), variance),
        "unit_active": (("noise", "unit"), ~collapsed),
        "unit_collapsed": (("noise", "unit"), collapsed),
        "active_units": (("noise",), active),
        "active_units_ci": (("noise", "bound"), np.stack([active - 1.0, active + 1.0], -1)),
    }
    if not stochastic:
        return found
    kl = 3 * carries * np.ones((len(noise), 1))
    total = kl.sum(1)
    return found | {
        "unit_kl": (("noise", "unit"), kl),
        "unit_kl_ci": (("noise", "unit", "bound"), np.stack([0.9 * kl, 1.1 * kl], -1)),
        "unit_posterior_variance": (("noise", "unit"), 1 - 0.95 * carries + 0 * kl),
        "kl_total": (("noise",), total),
        "kl_total_ci": (("noise", "bound"), np.stack([total - 1, total + 1], -1)),
    }


def _pullback(rng, noise, samples, vector):
    """Singular values that fall by a factor of ten, and what follows from them."""
    levels, images, directions = len(np.unique([noise[0], noise.max()])), 16, 32 if vector else 16
    values = np.geomspace(1, 0.1, directions) * np.exp(
        0.2 * rng.normal(size=(levels, images, directions))
    )
    values = -np.sort(-values, -1)
    condition = (values[..., 0] / values[..., -1]) ** 2
    volume = np.log(values).sum(-1)
    axes = ("pullback_noise", "pullback_sample")
    said = f"the {directions} directions (of 3136) in which clean latents vary most"
    found = {
        "pullback_singular_value": ((*axes, "direction"), values),
        "pullback_condition": (axes, condition, {"directions": said}),
        "pullback_log_volume": (axes, volume),
    }
    for name, each in (("pullback_condition", condition), ("pullback_log_volume", volume)):
        ordered = np.sort(each, -1)
        found[f"{name}_median"] = (("pullback_noise",), np.median(each, -1))
        found[f"{name}_ci"] = (("pullback_noise", "bound"), ordered[:, [3, 12]])
    return found


def _examples(noise, shared, recipe, learned):
    images, draw = shared["images"][:4], shared["draw"][:4]
    noisy = images[None] + noise[:, None, None, None, None] * draw[None]
    follow = {"cae": 0.5, "dae": 0.12, "vae": 0.25}[recipe]
    back = images[None] * 0.92 + 0.03 + follow * (noisy - images[None])
    if not learned:
        back = np.broadcast_to(images.mean(0), noisy.shape)
    dims = ("noise", "example", "image_channel", "image_row", "image_column")
    return {
        "example_input": (dims, noisy.astype("float32")),
        "example_reconstruction": (dims, np.clip(back, 0, 1).astype("float32")),
    }


def _similarity(place, others, noise):
    """Similarities that fall with the number of models between two."""
    rng = np.random.default_rng(place)
    levels = np.unique([noise[0], noise[-1]])
    shape = (len(levels), len(SIMILARITIES), len(others))
    value = 0.9 - 0.05 * abs(np.arange(len(others)) - place + 0.5) + 0.01 * rng.random(shape)
    axes = ("similarity_noise", "similarity_measure", "other_model")
    return xr.Dataset(
        {
            "similarity": (axes, value),
            "similarity_ci": ((*axes, "bound"), np.stack([value - 0.05, value + 0.04], -1)),
            "similarity_p_value": (axes, np.where(value < 0.8, 0.2, 0.01)),
            "similarity_by_chance": (axes, np.full(shape, 0.05)),
        },
        {
            "similarity_noise": levels,
            "similarity_measure": SIMILARITIES,
            "other_model": others,
            "similarity_sample": np.arange(20),
        },
    )


def _tsne_noise(noise):
    return noise if len(noise) <= 4 else noise[[0, len(noise) // 2, len(noise) - 1]]


def _tsne(rng, noise, labels):
    levels = _tsne_noise(noise)
    centres = 12 * rng.normal(size=(3, 10, 2))
    points = centres[:, labels][:, None] + 2.2 * rng.normal(size=(3, 1, len(labels), 2))
    moved = points + 18 * levels[None, :, None, None] * rng.normal(size=(3, 1, 1, 2))
    moved = moved + 0.5 * rng.normal(size=(3, len(levels), len(labels), 2))
    return {
        "tsne": (("tsne_seed", "tsne_noise", "sample", "axis"), moved),
        "tsne_divergence": (("tsne_seed",), np.array([0.71, 0.74, 0.69])),
    }
