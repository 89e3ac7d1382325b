"""The latents of all checkpoints in a folder, on the same images under the same noise.

    python analyses/pretrained.py checkpoints --data mnist --data fashion-mnist@64
    python analyses/pretrained.py checkpoints --data faces=path/to/images@64 --scale paper

Every run folder of ours, every folder with a card, of diffusers or of pythae, and every file of
weights below the folder is opened. `--cards` (by default the file beside this script, for public
checkpoints) says how, where a checkpoint does not; what it names as code is run. Data is a data
set's name, or NAME=FOLDER of images, and @PIXELS to resize. A checkpoint that cannot be opened, or
does not take these images, is a row of the table with the reason. Data sets that are done are kept,
so the same command finishes a study that was cut off.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from latentgeo import InputError, analyze
from latentgeo.measures import AnalysisSettings
from latentgeo.checkpoints import name_of, open_checkpoint, read_card
from latentgeo.checkpoints.opening import is_ours
from latentgeo.datasets import ImageDataset
from latentgeo.datasets import load as load_images
from latentgeo.files import write_json, write_text
from latentgeo.latents import check_fit
from latentgeo.models import Autoencoder
from latentgeo.provenance import provenance

HERE = Path(__file__).parent
SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".pt2")


@dataclass(frozen=True)
class Scale:
    """How large a study is; all of it is written into its results."""

    samples: int
    noise: tuple[float, ...]
    halves: int
    pullback: tuple[int, int]  # images and directions of the decoder's metric


SCALES = {
    "smoke": Scale(12, (0.0, 0.1), halves=4, pullback=(2, 2)),
    "laptop": Scale(60, (0.0, 0.05, 0.1, 0.3), halves=20, pullback=(6, 4)),
    "paper": Scale(1000, (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5), halves=20, pullback=(16, 16)),
}


class Data(NamedTuple):
    """Images of one size: what the table calls them, and where they are."""

    name: str
    source: str
    size: int | None

    @property
    def label(self) -> str:
        """Name and size."""
        return self.name if self.size is None else f"{self.name}@{self.size}"


def main(arguments: list[str] | None = None) -> int:
    """Run the study; give the exit code."""
    chosen = _parse(arguments)
    try:
        run(
            chosen.folder,
            [_data(text) for text in chosen.data],
            chosen.scale,
            chosen.cards,
            chosen.out or Path("results") / f"pretrained-{chosen.scale}",
            seed=chosen.seed,
        )
    except InputError as error:
        print(f"pretrained: {error}", file=sys.stderr)
        return 2
    return 0


def run(
    folder: Path, data: list[Data], scale: str, cards: Path, out: Path, *, seed: int = 0
) -> dict[str, Any]:
    """Analyse every checkpoint below a folder on every data set, and write the table.

    Parameters
    ----------
    folder : pathlib.Path
        Holds checkpoints, at any depth.
    data : list of Data
        The images.
    scale : str
        A name in `SCALES`.
    cards : pathlib.Path
        YAML: entries of cards by path below the folder.
    out : pathlib.Path
        Where one analysis for each data set, `pretrained.json` and `pretrained.md` go.
    seed : int, default=0
        Seeds the choice of images and the noise.

    Returns
    -------
    dict
        What `pretrained.json` holds.
    """
    known = _read_cards(cards)
    if not folder.is_dir():
        raise InputError(f"{str(folder)!r} is no folder; give one that holds checkpoints")
    paths = list(find_checkpoints(folder))
    if not paths:
        raise InputError(f"folder {str(folder)!r} holds no checkpoint")
    rows: list[dict[str, Any]] = []
    for images in data:
        rows += _on_one(folder, paths, known, images, SCALES[scale], out, seed)
    found = {
        "scale": {"name": scale, **asdict(SCALES[scale])},
        "seed": seed,
        "rows": rows,
        "provenance": provenance(),
    }
    write_json(out / "pretrained.json", found)
    write_text(out / "pretrained.md", to_markdown(found))
    print(f"table: {out / 'pretrained.md'}")
    return found


def find_checkpoints(folder: Path) -> Iterator[Path]:
    """Give every checkpoint below a folder: folders that are one, else single files of weights."""
    if is_ours(folder) or read_card(folder) or _describes_itself(folder):
        yield folder
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.name.startswith("."):
            yield from find_checkpoints(path)
        elif path.suffix in SUFFIXES and not _is_second_half(path):
            yield path


def _describes_itself(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("model_config.json", "config.json"))


def _is_second_half(path: Path) -> bool:
    encoder = path.with_name(path.name.replace("decoder", "encoder"))
    return encoder != path and encoder.is_file()


def _read_cards(path: Path) -> dict[str, dict[str, Any]]:
    """Read the entries, with the files of code made absolute."""
    entries: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    for entry in entries.values():
        if ".py:" in entry.get("model", ""):
            entry["model"] = str(path.resolve().parent / entry["model"])
    return entries


def _on_one(
    folder: Path,
    paths: list[Path],
    known: dict[str, dict[str, Any]],
    data: Data,
    scale: Scale,
    out: Path,
    seed: int,
) -> list[dict[str, Any]]:
    """Analyse what takes these images; keep an analysis that is there."""
    place = out / data.label
    done = place / "rows.json"
    if done.is_file():
        kept: list[dict[str, Any]] = json.loads(done.read_text(encoding="utf-8"))
        return kept
    images = load_images(data.source, "test", size=data.size)
    images = images.take(min(scale.samples, len(images)), seed=seed)
    models, refused = _open_all(folder, paths, known, images)
    rows = [
        {"data": data.label, "checkpoint": name, "refused": why} for name, why in refused.items()
    ]
    if models:
        start = time.monotonic()
        found = analyze(
            models,
            data=images,
            noise=scale.noise,
            samples=len(images),
            seed=seed,
            settings=_settings(scale, seed),
            out=place,
            force=True,
            progress=True,
        )
        seconds = time.monotonic() - start
        print(f"{data.label}: {len(models)} models, {seconds:.0f} s")
        rows = [*_rows(data, models, found.summary, max(scale.noise[1:], key=_is_tenth)), *rows]
    write_json(done, rows)
    return rows


def _settings(scale: Scale, seed: int) -> AnalysisSettings:
    images, directions = scale.pullback
    return AnalysisSettings(
        seed=seed,
        halves=scale.halves,
        tsne_seeds=(),
        pullback_images=images,
        pullback_directions=directions,
    )


def _open_all(
    folder: Path, paths: list[Path], known: dict[str, dict[str, Any]], images: ImageDataset
) -> tuple[dict[str, Autoencoder], dict[str, str]]:
    models, refused = {}, {}
    for path, label in zip(paths, _labels(paths), strict=True):
        name = path.relative_to(folder).as_posix()
        try:
            opened = open_checkpoint(path, image_shape=images.shape, **known.get(name, {}))
            check_fit(opened, images)
            models[label] = opened
        except InputError as error:
            refused[name] = str(error).replace(str(folder), folder.name)
    return models, refused


def _labels(paths: list[Path]) -> list[str]:
    """Name each checkpoint after its file or folder, or if that is taken the folder above."""
    names = [name_of(path) for path in paths]
    return [
        name if names.count(name) == 1 else path.parent.name
        for name, path in zip(names, paths, strict=True)
    ]


def _is_tenth(level: float) -> bool:
    return level == 0.1


def _rows(
    data: Data, models: dict[str, Autoencoder], summary: dict[str, Any], level: float
) -> list[dict[str, Any]]:
    """Pick what the table shows: the clean level and one noisy one."""
    rows = []
    for label, model in models.items():
        measured = summary["models"][label]
        rows.append(
            {
                "data": data.label,
                "checkpoint": label,
                "kind": model.provenance.get("kind", "latentgeo"),
                "parameters": sum(weight.numel() for weight in model.parameters()),
                "weights_sha256": measured["weights_sha256"],
                "latent_shape": measured["latent_shape"],
                "round_trip": model.provenance.get("round_trip"),
                "learned": measured["learned"],
                "noise": level,
                **{
                    name: {key: measured[name][key] for key in ("0", f"{level:g}")}
                    for name in ("psnr_db", "hilbert_dimension", "principal_angles_deg", "strata")
                    if measured.get(name)
                },
                "intrinsic_dimension": measured["intrinsic_dimension"]["0"],
                **{
                    name: measured[name]
                    for name in ("units", "decoder_metric")
                    if measured.get(name)
                },
            }
        )
    return rows


def to_markdown(found: dict[str, Any]) -> str:
    """Write the table."""
    rows = [row for row in found["rows"] if "refused" not in row]
    refused = [row for row in found["rows"] if "refused" in row]
    scale = found["scale"]
    lines = [
        "# Checkpoints that others trained",
        "",
        f"Scale `{scale['name']}`: {scale['samples']} test images, noise "
        f"{', '.join(f'{level:g}' for level in scale['noise'])}, seed {found['seed']}. "
        f"Command: `{found['provenance']['command']}`. Intervals: 95 %, over images.",
        "",
        "| data | checkpoint | latent | parameters | PSNR clean, dB | PSNR noisy, dB "
        "| ranks clean | ranks noisy | Hilbert dimension (95 %) | TwoNN | mean angle, ° |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
        *(_line(row) for row in rows),
        "",
        f"Noisy: noise {rows[0]['noise']:g}, before the model's own resizing. Ranks: the most "
        "frequent triple (rows, columns, channels) and its share, by the rule `spectrum`. Angle: "
        "between clean and noisy latents."
        if rows
        else "No checkpoint could be analysed.",
        "",
    ]
    if refused:
        lines += ["Not analysed:", "", *_reasons(refused), ""]
    return "\n".join(lines)


def _reasons(refused: list[dict[str, Any]]) -> list[str]:
    """Say why each checkpoint was left out, once for all data that it was left out for."""
    data: dict[tuple[str, str], list[str]] = {}
    for row in refused:
        data.setdefault((row["checkpoint"], row["refused"]), []).append(row["data"])
    return [f"- {name} on {', '.join(on)}: {why}" for (name, why), on in data.items()]


def _line(row: dict[str, Any]) -> str:
    noisy = f"{row['noise']:g}"
    dimension = row["hilbert_dimension"]["0"]["0.95"]
    angle = row["principal_angles_deg"][noisy]["mean"]
    cells = [
        row["data"],
        row["checkpoint"] + (" (not learned)" if row["learned"] is False else ""),
        "×".join(map(str, row["latent_shape"])),
        f"{row['parameters']:,}",
        _mean(row, "0"),
        _mean(row, noisy),
        _stratum(row, "0"),
        _stratum(row, noisy),
        f"{dimension['value']} {_interval(dimension['ci95'], '.0f')}",
        _two_nn(row),
        f"{angle['value']:.1f} {_interval(angle['ci95'], '.1f')}",
    ]
    return f"| {' | '.join(cells)} |"


def _mean(row: dict[str, Any], level: str) -> str:
    if "psnr_db" not in row:
        return "–"
    measured = row["psnr_db"][level]
    return f"{measured['mean']:.1f} {_interval(measured['ci95'], '.1f')}"


def _stratum(row: dict[str, Any], level: str) -> str:
    if "strata" not in row:
        return "vector"
    counts = row["strata"][level]
    triple = max(counts, key=lambda key: counts[key])
    return f"({triple.replace(',', ', ')}) {counts[triple] / sum(counts.values()):.0%}"


def _two_nn(row: dict[str, Any]) -> str:
    measured = row["intrinsic_dimension"].get("two-nn")
    if measured is None or measured["value"] is None:
        return "–"
    return f"{measured['value']:.1f} {_interval(measured['ci95'], '.1f')}"


def _interval(ends: list[float | None], form: str) -> str:
    if None in ends:
        return ""
    return f"[{ends[0]:{form}}, {ends[1]:{form}}]"


def _data(text: str) -> Data:
    text, _, size = text.partition("@")
    name, sign, source = text.partition("=")
    if size and not size.isdigit():
        raise InputError(f"data {text!r} has the size {size!r}; expected pixels, as in mnist@32")
    return Data(name, source if sign else name, int(size) if size else None)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="holds checkpoints, at any depth")
    parser.add_argument(
        "--data", action="append", required=True, help="NAME or NAME=FOLDER, and @PIXELS; repeat"
    )
    parser.add_argument("--scale", choices=SCALES, default="laptop")
    parser.add_argument("--cards", type=Path, default=HERE / "pretrained.yaml")
    parser.add_argument("--out", type=Path, help="default: results/pretrained-SCALE")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
