"""What the studies of `wae.py` and `swae.py` have in common: nets, measures, tables, pictures."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from study import Facts, Measure, Request, Run, by_line, compare, in_words, train_settings
from study.read import facts_of_run
from study.render import measures_table

from latentgeo.datasets import ImageDataset, load
from latentgeo.features import Features, load_features, train_classifier
from latentgeo.figures import save_figure
from latentgeo.figures.image_grid import ImageGridDisplay
from latentgeo.files import write_atomically
from measures.images import Maker, pictures, quality, realism_of_images

QUALITY, PICTURES = "quality.json", "pictures.npz"


def _measure(name: str, label: str, digits: int = 2, factor: float = 1) -> Measure:
    return Measure(label, lambda run: run[name], digits, factor)


MEASURES = {
    "squared_error": _measure("squared_error", "squared error per image"),
    "through_squared_error": _measure("through_squared_error", "through both stages"),
    "psnr_db": _measure("psnr_db", "PSNR, dB"),
    "fd_reconstructions": _measure("fd_reconstructions", "FD of reconstructions"),
    "fd_samples": _measure("fd_samples", "FD of samples"),
    "sharpness_reconstructions": _measure(
        "sharpness_reconstructions", "sharpness of reconstructions × 1000", 1, 1000
    ),
    "sharpness_samples": _measure("sharpness_samples", "sharpness of samples × 1000", 1, 1000),
}
_DECIDING = ("squared_error", "fd_samples")
_WORDS = {-1: "lower than", 1: "higher than", 0: "not told apart from"}


@dataclass(frozen=True)
class Scale:
    """How large a study is; all of it is written into its results."""

    channels: tuple[int, ...]
    epochs: int
    seeds: int
    latent_dim: int = 8
    feature_epochs: int = 5
    batch_size: int = 100
    learning_rate: float = 1e-3
    schedule: str = "steps"
    beta1: float = 0.5
    data: str = "mnist"


def prepare(request: Request) -> None:
    """Train the classifier whose features images are compared in, unless that is done."""
    folder, scale = request.out / "features", request.scale
    if not folder.exists():
        epochs = scale.feature_epochs
        train_classifier(
            request.data, out=folder, epochs=epochs, device=request.device, progress=False
        )


def settings(run: Run, **options: object) -> Facts:
    """Return the settings of training, on the nets that all models have."""
    nets = {"channels": run.scale.channels, "latent_dim": run.scale.latent_dim}
    return train_settings(run, backbone="wae", options={**nets, **run.options, **options})


def measure(run: Run, maker: Maker) -> Facts:
    """Measure what makes images, and leave pictures in the run folder."""
    test = load(run.data)
    shown = pictures(maker, test, seed=run.seed)
    write_atomically(run.folder / PICTURES, partial(_write, shown))
    found = quality(maker, test, load_features(run.out / "features"), seed=run.seed)
    return {**sound_facts(run.folder), **found} if run.model is not None else found


def sound_facts(*folders: Path) -> Facts:
    """Return whether all runs have learned, and their diagnostics."""
    facts = [facts_of_run(folder) for folder in folders]
    return {
        "learned": all(each["learned"] for each in facts),
        "diagnostics": [line for each in facts for line in each["diagnostics"]],
    }


def features_and_floor(request: Request) -> Facts:
    """Return the features, and what training images reach in the place of samples."""
    features = load_features(request.out / "features")
    return {
        "features": {"name": features.name, "accuracy": features.accuracy},
        "floor": _floor(request.data, features),
    }


def _floor(data: str, features: Features) -> Facts:
    train, test = load(data, "train"), load(data)
    real = train.take(min(len(test), len(train)), seed=0)
    found = realism_of_images(real, test, features)
    own = realism_of_images(test, test, features)
    return {**found, "images": len(real), "sharpness_test": own["sharpness_samples"]}


def show(rivals: Mapping[str, Sequence[str]], found: Facts) -> Facts:
    """Return what a page sets: the table, and each model beside its rivals."""
    models = found["models"]
    return {
        "measured": measured(models, found["provenance"]["floor"]),
        "orders": orders(models, rivals),
    }


def measured(models: Facts, floor: Facts) -> str:
    """Return a table with a row for each model, and one for real images."""
    real = {
        "fd_samples": f"{floor['fd_samples']:.2f}",
        "sharpness_samples": f"{1000 * floor['sharpness_test']['mean']:.1f}",
    }
    shown = [name for name in MEASURES if any(name in found for found in models.values())]
    row = ["real images", *(real.get(name, "–") for name in shown)]
    return measures_table(MEASURES, models, more=[row])


def orders(models: Facts, rivals: Mapping[str, Sequence[str]]) -> list[str]:
    """Return where each model stands beside its rivals, of those that were measured."""
    pairs = {
        (name, measure, rival): (models[name][measure], models[rival][measure])
        for name in rivals
        for measure in _DECIDING
        for rival in rivals[name]
        if measure in models.get(rival, {}) and measure in models.get(name, {})
    }
    lines = []
    for (name, measure), beside in by_line(compare(pairs)).items():
        # Verdicts in the order in which rivals meet them.
        words = {each.side: _WORDS[each.side] for each in beside.values()}
        how = MEASURES[measure]
        lines.append(f"- {name}, {how.label}: {in_words(beside, words, how.digits, how.factor)}.")
    return lines


def picture(
    request: Request, runs: Sequence[Run], folder: Path, *, added: Iterable[str] = ()
) -> None:
    """Draw samples, reconstructions and paths of seed 0, a row for each model.

    What is added to a model reconstructs as that does, so that its samples alone are shown.
    """
    shown = _read_pictures(runs)
    for name in shown.keys() & set(added):
        shown[name] = {"samples": shown[name]["samples"]}
    test = load(request.data)
    for kind in ("samples", "reconstructions"):
        _draw_beside_real(kind, shown, test, folder)
    paths = {name: found["paths"] for name, found in shown.items() if "paths" in found}
    pairs = range(len(next(iter(paths.values()))))
    rows = [path[pair] for pair in pairs for path in paths.values()]
    _draw([name for _ in pairs for name in paths], rows, folder / "paths")


def picture_samples(request: Request, runs: Sequence[Run], folder: Path) -> None:
    """Draw samples of seed 0, a row for each model that has a prior."""
    _draw_beside_real("samples", _read_pictures(runs), load(request.data), folder)


def _draw_beside_real(
    kind: str,
    shown: Mapping[str, Mapping[str, NDArray[np.float32]]],
    test: ImageDataset,
    folder: Path,
) -> None:
    made = {name: found[kind] for name, found in shown.items() if kind in found}
    count = len(next(iter(made.values())))
    real = test.batch(slice(count)).numpy()
    _draw(["test images", *made], [real, *made.values()], folder / kind)


def _draw(names: list[str], rows: list[NDArray[np.float32]], stem: Path) -> None:
    save_figure(ImageGridDisplay(np.stack(rows), row_labels=names).plot().figure_, stem)


def _read_pictures(runs: Sequence[Run]) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Read the pictures of each model's first seed."""
    shown = {}
    for run in runs:
        if run.seed == 0:
            with np.load(run.folder / PICTURES) as saved:
                shown[run.name] = dict(saved)
    return shown


def _write(shown: dict[str, NDArray[np.float32]], path: Path) -> None:
    with path.open("wb") as file:  # of a name, numpy would make another
        np.savez_compressed(file, **shown)
