"""Checkpoints that others trained: which there are, how they are opened, what a table shows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from study import Facts

from latentgeo import InputError
from latentgeo.checkpoints import name_of, open_checkpoint, read_card
from latentgeo.checkpoints.opening import is_ours
from latentgeo.datasets import ImageDataset
from latentgeo.latents import check_fit
from latentgeo.models import Autoencoder

SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".pt2")


class Data(NamedTuple):
    """Images of one size: what the table calls them, and where they are."""

    name: str
    source: str
    size: int | None

    @property
    def label(self) -> str:
        """Name and size."""
        return self.name if self.size is None else f"{self.name}@{self.size}"


def read_data(text: str) -> Data:
    """Read NAME or NAME=FOLDER, and @PIXELS."""
    text, _, size = text.partition("@")
    name, sign, source = text.partition("=")
    if size and not size.isdigit():
        raise InputError(f"data {text!r} has the size {size!r}; expected pixels, as in mnist@32")
    return Data(name, source if sign else name, int(size) if size else None)


def find_all(folder: Path) -> list[Path]:
    """Return every checkpoint below a folder, which holds at least one."""
    if not folder.is_dir():
        raise InputError(f"{str(folder)!r} is no folder; give one that holds checkpoints")
    paths = list(find_checkpoints(folder))
    if not paths:
        raise InputError(f"folder {str(folder)!r} holds no checkpoint")
    return paths


def find_checkpoints(folder: Path) -> Iterator[Path]:
    """Find checkpoints below a folder: folders that are one, else single files of weights."""
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


def read_cards(path: Path) -> dict[str, dict[str, Any]]:
    """Read the entries, with the files of code made absolute."""
    entries: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    for entry in entries.values():
        if ".py:" in entry.get("model", ""):
            entry["model"] = str(path.resolve().parent / entry["model"])
    return entries


def open_all(
    folder: Path, paths: list[Path], known: dict[str, dict[str, Any]], images: ImageDataset
) -> tuple[dict[str, Autoencoder], dict[str, str]]:
    """Open what takes some images; of the rest, return why it cannot be analysed."""
    models, refused = {}, {}
    for path, label in zip(paths, labels(paths), strict=True):
        name = path.relative_to(folder).as_posix()
        try:
            opened = open_checkpoint(path, image_shape=images.shape, **known.get(name, {}))
            check_fit(opened, images)
            models[label] = opened
        except InputError as error:
            refused[name] = str(error).replace(str(folder), folder.name)
    return models, refused


def labels(paths: list[Path]) -> list[str]:
    """Name each checkpoint after its file or folder, or if that is taken the folder above."""
    names = [name_of(path) for path in paths]
    return [
        name if names.count(name) == 1 else path.parent.name
        for name, path in zip(names, paths, strict=True)
    ]


def rows_of(
    data: str, models: dict[str, Autoencoder], measures: dict[str, Any], level: float
) -> list[dict[str, Any]]:
    """Pick what the table shows: the clean level and one noisy one."""
    rows = []
    for label, model in models.items():
        measured = measures[label]
        rows.append(
            {
                "data": data,
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


def show(found: Facts) -> Facts:
    """Return the rows of what was analysed, and why the rest was not."""
    refused = [row for row in found["rows"] if "refused" in row]
    analysed = [row for row in found["rows"] if "refused" not in row]
    return {"analysed": analysed, "refused": reasons(refused)}


def reasons(refused: list[dict[str, Any]]) -> list[str]:
    """Return why each checkpoint was left out, once for all data that it was left out for."""
    data: dict[tuple[str, str], list[str]] = {}
    for row in refused:
        data.setdefault((row["checkpoint"], row["refused"]), []).append(row["data"])
    return [f"- {name} on {', '.join(on)}: {why}" for (name, why), on in data.items()]
