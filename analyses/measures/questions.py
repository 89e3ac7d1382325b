"""What is measured of the runs of a pair, on test data that neither was trained on."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from study import Facts, Request, Run
from study.read import facts_of_run
from torch import Tensor

from latentgeo.datasets import ImageDataset, load
from latentgeo.features import Features, load_features
from latentgeo.metrics import (
    clustering_accuracy,
    cycle_consistency,
    frechet_feature_distance,
    interpolate,
    linear_probe,
    nearest_real_distance,
    path_sharpness,
    psnr,
    sharpness,
    whitened_kmeans,
)
from latentgeo.models import Autoencoder, load_model, sample
from latentgeo.objectives import Batch, KLDivergence

Measures = dict[str, float]
Net = Callable[[Tensor], Tensor]

FEATURES, MEASURES = "features", "measures.json"
_BATCH = 256
_BRIGHTEST = 16
#: Both ends and the point in the middle.
_STEPS = 3


class Seen(NamedTuple):
    """Data to measure on, in [0, 1].

    Attributes
    ----------
    test : torch.Tensor of shape (n, C, H, W)
        What is encoded.
    start, end : torch.Tensor of shape (pairs, C, H, W)
        The ends of interpolations, test data too.
    real : torch.Tensor of shape (m, C, H, W)
        Among which the nearest is sought: for images of the training set, for vectors test data
        that are no ends.
    test_labels : numpy.ndarray of shape (n,)
        Classes of `test`.
    train : ImageDataset
        What was trained on.
    """

    test: Tensor
    start: Tensor
    end: Tensor
    real: Tensor
    test_labels: Any
    train: ImageDataset


def measure(run: Run) -> Facts:
    """Measure a run, and name the weights that were measured."""
    model = load_model(run.folder)
    if run.group == "samples":
        features = load_features(run.out / FEATURES)
        found = measure_images(model, features, seen_in(run.group, run))
    else:
        found = measure_vectors(model, seen_in(run.group, run))
    return {"weights_sha256": facts_of_run(run.folder)["weights_sha256"], "measures": found}


def seen_in(question: str, of: Run | Request) -> Seen:
    """Return the data that a question's runs are measured on."""
    if question == "vectors":
        return vectors_seen()
    return images_seen(of.data, of.scale.samples, of.scale.real)


def facts(request: Request) -> Facts:
    """Return what samples are compared in and with."""
    seen, features = seen_in("samples", request), load_features(request.out / FEATURES)
    named = {"name": features.name, "sha256": features.sha256, "accuracy": features.accuracy}
    counts = {"test_images": len(seen.test), "real_images": len(seen.real)}
    return {**counts, "features": named}


def images_seen(data: str, samples: int, real: int) -> Seen:
    """Choose test images, half of them starts and half of them ends, and training images."""
    train, test = load(data, "train"), load(data, "test")
    test = test.take(min(samples, len(test) // 2 * 2), seed=0)
    images = test.batch(slice(None))
    start, end = images.chunk(2)
    known = train.take(min(real, len(train)), seed=0).batch(slice(None))
    return Seen(images, start, end, known, test.labels, train)


def vectors_seen() -> Seen:
    """Part the test vectors: every other one is an end, the rest is what the nearest is among."""
    train, test = digits_as_vectors("train"), digits_as_vectors("test")
    vectors = test.batch(slice(None))
    ends = vectors[::2]
    start, end = torch.combinations(torch.arange(len(ends))).unbind(1)
    chosen = torch.randperm(len(start), generator=torch.Generator().manual_seed(0))[:1000]
    return Seen(vectors, ends[start[chosen]], ends[end[chosen]], vectors[1::2], test.labels, train)


def digits_as_vectors(split: str) -> ImageDataset:
    """Return scikit-learn's 8x8 digits as vectors (n, 64, 1, 1); the last 360 are the test set."""
    from sklearn.datasets import load_digits

    bundled = load_digits()
    part = slice(-360, None) if split == "test" else slice(None, -360)
    vectors = bundled.data[part, :, None, None] / _BRIGHTEST
    return ImageDataset.from_array(
        vectors, bundled.target[part], name="digits-as-vectors", split=split
    )


@torch.no_grad()
def measure_images(model: Autoencoder, features: Features, seen: Seen) -> Measures:
    """Measure a VAE: its samples, its reconstructions, and what lies between two images."""
    latents, decode = _map(model.encode, seen.test), model.decode
    path = interpolate(*latents.chunk(2), _STEPS)
    drawn, decoded = sample(model, len(seen.test), seed=0), _map(decode, latents)
    made = {
        "samples": drawn,
        "reconstructions": decoded,
        "midpoints": _map(decode, path[:, 1]),
    }
    sharp = path_sharpness(decode, path)
    return {
        **{f"fd_{name}": _fd(images, seen, features) for name, images in made.items()},
        "nearest_samples": _nearest(drawn, seen, features),
        "nearest_midpoints": _nearest(made["midpoints"], seen, features),
        "sharpness_samples": float(sharpness(drawn).mean() / sharpness(seen.test).mean()),
        "sharpness_midpoints": float(sharp.inside.mean / sharp.values[:, [0, -1]].mean()),
        "cycle_midpoints": float(cycle_consistency(model.encode, decode, path).inside.mean),
        "psnr_db": float(psnr(decoded, seen.test, data_range=1).mean()),
        "kl_nats": _divergence(model, seen.test),
    }


@torch.no_grad()
def measure_vectors(model: Autoencoder, seen: Seen) -> Measures:
    """Measure an autoencoder of vectors: what lies between two of them, and its latents."""
    latents = _map(model.encode, seen.test)
    path = interpolate(_map(model.encode, seen.start), _map(model.encode, seen.end), _STEPS)
    known = _map(model.encode, seen.train.batch(slice(None)))
    clusters = whitened_kmeans(known, latents, seed=0).clusters
    probe = linear_probe(known, seen.train.labels, latents, seen.test_labels, seed=0)
    return {
        "nearest_midpoints": _nearest(_map(model.decode, path[:, 1]), seen, None),
        "cycle_midpoints": float(cycle_consistency(model.encode, model.decode, path).inside.mean),
        "psnr_db": float(psnr(_map(model.decode, latents), seen.test, data_range=1).mean()),
        "probe": float(probe.accuracy.mean),
        "clusters": float(clustering_accuracy(clusters, seen.test_labels, seed=0).mean),
    }


def controls_of_images(seen: Seen, features: Features) -> dict[str, Measures]:
    """Measure what is no model: real images, and means of the pixels of two."""
    means = (seen.start + seen.end) / 2
    real = seen.train.take(min(len(seen.test), len(seen.train)), seed=1)
    ends = sharpness(torch.cat([seen.start, seen.end])).mean()
    return {
        "real images": {
            "fd_samples": _fd(real.batch(slice(None)), seen, features),
            "nearest_samples": _nearest(seen.test, seen, features),
            "nearest_midpoints": _nearest(seen.test, seen, features),
        },
        "means of pixels": {
            "fd_midpoints": _fd(means, seen, features),
            "nearest_midpoints": _nearest(means, seen, features),
            "sharpness_midpoints": float(sharpness(means).mean() / ends),
        },
    }


def controls_of_vectors(seen: Seen) -> dict[str, Measures]:
    """Measure what is no model: real vectors, and means of two."""
    return {
        "real vectors": {"nearest_midpoints": _nearest(seen.test[::2], seen, None)},
        "means of two": {"nearest_midpoints": _nearest((seen.start + seen.end) / 2, seen, None)},
    }


def _map(net: Net, values: Tensor) -> Tensor:
    return torch.cat([net(part) for part in values.split(_BATCH)])


def _fd(images: Tensor, seen: Seen, features: Features) -> float:
    return frechet_feature_distance(images.split(_BATCH), seen.test.split(_BATCH), features)


def _nearest(images: Tensor, seen: Seen, features: Features | None) -> float:
    """Return the mean distance to the nearest real one, in the features or in the values."""
    in_twos = images[: len(images) // 2 * 2].unflatten(0, (-1, 2))
    found = nearest_real_distance(torch.nn.Identity(), in_twos, seen.real, features, batch=_BATCH)
    return float(found.distance.values.mean())


def _divergence(model: Autoencoder, images: Tensor) -> float:
    each = [
        len(part) * float(KLDivergence()(model(part), Batch(part))) for part in images.split(_BATCH)
    ]
    return sum(each) / len(images)
