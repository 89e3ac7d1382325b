"""Tables and pictures of the studies that compare how well models of one net make images."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from study_tables import Facts, compared, is_sound, markdown_table, over_seeds, say, say_where_from

from latentgeo.datasets import ImageDataset
from latentgeo.figures import save_figure
from latentgeo.figures.image_grid import ImageGridDisplay

#: What each measure is called, its factor in the table, and its digits there.
MEASURES = {
    "squared_error": ("squared error per image", 1, 2),
    "through_squared_error": ("through both stages", 1, 2),
    "psnr_db": ("PSNR, dB", 1, 2),
    "fd_reconstructions": ("FD of reconstructions", 1, 2),
    "fd_samples": ("FD of samples", 1, 2),
    "sharpness_reconstructions": ("sharpness of reconstructions × 1000", 1000, 1),
    "sharpness_samples": ("sharpness of samples × 1000", 1000, 1),
}
DECIDING = ("squared_error", "fd_samples")
_SHARPNESS = "sharpness_samples"


def gather(runs: Mapping[str, Sequence[Facts]]) -> Facts:
    """Give each model's measures over its seeds."""
    return {
        name: {
            **{
                measure: over_seeds(_value(seed[measure]) for seed in seeds)
                for measure in MEASURES
                if measure in seeds[0]
            },
            "sound": is_sound(seeds),
            "trouble": [seed["trouble"] for seed in seeds],
        }
        for name, seeds in runs.items()
    }


def _value(found: Facts | float) -> float:
    return float(found["mean"] if isinstance(found, dict) else found)


def setting(facts: Facts) -> str:
    """Say what was trained, and in which features distances were taken."""
    nets = "-".join(str(width) for width in facts["channels"])
    return (
        f"{facts['data']}; all models on the wae nets with channels {nets} and a latent of "
        f"{facts['latent_dim']}, {facts['epochs']} epochs in batches of {facts['batch_size']}, "
        f"learning rate {facts['learning_rate']:g} ({facts['schedule']}), {say_where_from(facts)}"
    )


def reading(facts: Facts) -> str:
    """Say how the table is to be read."""
    features = facts["features"]
    return (
        "Test images; mean over seeds and, in brackets, its 95 % interval over seeds (Student's "
        "t). Lower is better for errors and distances, sharpness is to be that of the test images. "
        f"FD is the {features['name']}: the Fréchet distance in the features of a small classifier "
        f"({features['accuracy']:.2%} of the test images right), which is no Inception distance, "
        f"of {facts['floor']['images']:,} images to all test images; as many training images "
        "stand beside it as its floor. A dagger: at a seed or more the run has not learned or "
        "ended in trouble."
    )


def table(models: Facts, floor: Facts) -> list[str]:
    """Write a row for each model, and one for real images."""
    shown = [each for each in MEASURES if any(each in found for found in models.values())]
    rows = [
        [
            name + ("" if found["sound"] else " †"),
            *(_cell(found.get(measure), *MEASURES[measure][1:]) for measure in shown),
        ]
        for name, found in models.items()
    ]
    real = {
        "fd_samples": f"{floor['fd_samples']:.2f}",
        _SHARPNESS: f"{1000 * floor['sharpness_test']['mean']:.1f}",
    }
    rows.append(["real images", *(real.get(measure, "–") for measure in shown)])
    return markdown_table(["model", *(MEASURES[measure][0] for measure in shown)], rows)


def _cell(found: Facts | None, factor: int, digits: int) -> str:
    if found is None:
        return say(None)
    ends = found["over_seeds_95"]
    scaled = {
        "mean": factor * found["mean"],
        "over_seeds_95": None if ends is None else [factor * end for end in ends],
    }
    return say(scaled, digits)


def claims(models: Facts, name: str, rivals: Sequence[str]) -> list[str]:
    """Say where a model stands beside its rivals: an order only where intervals do not touch."""
    lines = []
    for measure in DECIDING:
        groups: dict[str, list[str]] = {}
        for rival in rivals:
            if measure in models[rival] and measure in models[name]:
                verdict = compared(models[name][measure], models[rival][measure])
                groups.setdefault(verdict, []).append(rival)
        said = "; ".join(f"{verdict} {', '.join(found)}" for verdict, found in groups.items())
        lines.append(f"- {name}, {MEASURES[measure][0]}: {said}.")
    return lines


def troubles(models: Facts) -> list[str]:
    """Say what the runs said of themselves."""
    said = [
        f"- {name}, seed {seed}: {line}"
        for name, found in models.items()
        for seed, lines in enumerate(found["trouble"])
        for line in lines
    ]
    return ["## Trouble", "", *said, ""] if said else []


def figures() -> list[str]:
    """Name the figures of `draw`."""
    return [
        "## Figures",
        "",
        "Of seed 0: samples, reconstructions of test images, and paths between the latents of two "
        "test images.",
        "",
        "![samples](samples.png)",
        "![reconstructions](reconstructions.png)",
        "![paths](paths.png)",
        "",
    ]


def draw(
    shown: Mapping[str, Mapping[str, NDArray[np.float32]]], test: ImageDataset, folder: Path
) -> None:
    """Draw samples, reconstructions and paths, a row for each model."""
    first = next(iter(shown.values()))
    real = test.batch(slice(len(first["reconstructions"]))).numpy()
    for kind in ("samples", "reconstructions"):
        made = {name: found[kind] for name, found in shown.items() if kind in found}
        _draw(["test images", *made], [real, *made.values()], folder / kind)
    paths = {name: found["paths"] for name, found in shown.items() if "paths" in found}
    pairs = range(len(first["paths"]))
    _draw(
        [name for _ in pairs for name in paths],
        [path[pair] for pair in pairs for path in paths.values()],
        folder / "paths",
    )


def _draw(names: list[str], rows: list[NDArray[np.float32]], stem: Path) -> None:
    grid = ImageGridDisplay(np.stack(rows), row_labels=names)
    save_figure(grid.plot().figure_, stem)
