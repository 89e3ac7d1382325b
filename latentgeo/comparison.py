"""Join results that were saved, so that models stand side by side without being run again."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from latentgeo.errors import InputError, check_is_path
from latentgeo.files import check_free, folder_in_place, kept, sha256_of_file
from latentgeo.lazy import xr
from latentgeo.measures import (
    SCHEMA_VERSION,
    as_damaged,
    measure_together,
    measures_of,
    read,
    together_entries,
)
from latentgeo.provenance import provenance
from latentgeo.report import write_results
from latentgeo.results import Analysis, models_of
from latentgeo.results.storing import SUMMARY
from latentgeo.settings import AnalysisSettings, EncodingSettings

Facts = dict[str, Any]


class _Source(NamedTuple):
    """A saved analysis, with the names that its models get among the others."""

    folder: Path
    found: Analysis
    names: dict[str, str]


def compare(
    folders: Sequence[str | Path], *, out: str | Path | None = None, force: bool = False
) -> Analysis:
    """Join saved analyses into one, without computing anything of a model again.

    How alike the models are is measured here, from latents of some images that analyses keep.
    The models keep their names. Where two analyses have a model of the same name, the name of
    the folder is put before it, and a warning says so.

    Parameters
    ----------
    folders : sequence of str or pathlib.Path
        Two or more folders that `analyze` or `compare` made, of the same images under the same
        noise, with the same settings.
    out : str or pathlib.Path, optional
        A folder to be made, as `analyze` makes it: it can be drawn anew and joined again.
    force : bool, default=False
        Replace what `out` holds.

    Returns
    -------
    Analysis
        All models, in the order of the folders. The provenance lists under `joined` each folder's
        name, the SHA-256 of its `summary.json`, its models and its own provenance.

    Raises
    ------
    InputError
        When a folder holds no analysis or is given twice, or when two analyses differ in
        something that makes their numbers incomparable: the message names what, both values
        and both folders. That the latents of one are tensors and of another vectors is no such
        difference.

    Warns
    -----
    UserWarning
        When models were renamed.

    Examples
    --------
    >>> import latentgeo
    >>> list(latentgeo.compare(["results/cae", "results/vae"]))
    ['cae', 'vae']
    """
    places = _distinct(folders)
    target = None if out is None else Path(out)
    with kept(target):
        if target is not None:
            check_free(target, holds="a comparison", force=force, reads=places)
        analyses = [read(place) for place in places]
        with as_damaged(*places):
            _check_comparable(places, analyses)
            joined = _join(_with_names(places, analyses))
        if target is not None:
            with folder_in_place(target) as folder:
                write_results(joined, folder)
    return joined


def _distinct(folders: Sequence[str | Path]) -> list[Path]:
    """Return the folders as paths; one of them twice would be a model beside itself."""
    way_out = "give a list of folders that `latentgeo analyze --out` made (found.save writes one)"
    if not isinstance(folders, list | tuple):
        raise InputError(f"folders is a {type(folders).__name__}, expected a list; {way_out}")
    for folder in folders:
        check_is_path(folder, "a folder", way_out)
    places = [Path(folder) for folder in folders]
    if len(places) < 2:
        raise InputError(
            f"{len(places)} analysis cannot be compared; give at least two folders that "
            "`latentgeo analyze --out` made"
        )
    counts = Counter(place.resolve() for place in places)
    twice = next((place for place in places if counts[place.resolve()] > 1), None)
    if twice is not None:
        raise InputError(f"folder {str(twice)!r} was given twice; give each analysis once")
    return places


def _check_comparable(places: list[Path], analyses: list[Analysis]) -> None:
    """Raise `InputError` unless all analyses are of the same images in the same way."""
    version = analyses[0].summary.get("schema_version")
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{str(places[0] / SUMMARY)!r} has schema version {version}, this latentgeo reads "
            f"{SCHEMA_VERSION}; analyse again with it"
        )
    first = _facts(analyses[0])
    rules: dict[str, tuple[Path, Any]] = {}
    for place, found in zip(places, analyses, strict=True):
        facts = _facts(found)
        for name in first | facts:
            _check_same(name, (places[0], first.get(name)), (place, facts.get(name)))
        # What only some of them have is no difference.
        for name, rule in _rules(found).items():
            _check_same(name, rules.setdefault(name, (place, rule)), (place, rule))


def _check_same(name: str, one: tuple[Path, Any], other: tuple[Path, Any]) -> None:
    (here, ours), (there, theirs) = one, other
    if ours != theirs:
        raise InputError(
            f"analyses cannot be compared: {name} is {_format_value(ours)} in {str(here)!r} and "
            f"{_format_value(theirs)} in {str(there)!r}; analyse both alike"
        )


def _format_value(value: Any) -> str:
    return "not recorded" if value is None else repr(value)


def _facts(found: Analysis) -> Facts:
    """Return what decides every number, by the name that a message calls it.

    What a user chose comes before what follows from it, so that a message names the cause.
    """
    summary, recorded = found.summary, found.provenance
    return {
        "schema version": summary.get("schema_version"),
        "data": summary.get("data"),
        "perturbation": summary.get("perturbation"),
        "noise": summary.get("noise"),
        "number of images": summary.get("samples"),
        "seed": summary.get("seed"),
        **_settings(recorded.get("settings", {})),
        **_images(found.tree),
        "SHA-256 of the images (their size, split, pixels and labels)": recorded["data_sha256"],
    }


def _settings(recorded: Facts) -> Facts:
    """Return the settings that are not compared by what came of them: the images and the noise.

    What a setting was before there was such a setting is its default.
    """
    known = AnalysisSettings().model_dump(mode="json") | recorded
    presentation = {name for measure in measures_of("analysis") for name in measure.presentation}
    apart = presentation | set(EncodingSettings.model_fields) - {"draws"}
    return {f"setting {name}": value for name, value in known.items() if name not in apart}


def _images(tree: xr.DataTree) -> Facts:
    """Return the chosen images one by one, so that the first that differs is named."""
    chosen = next(iter(tree.children.values())).to_dataset()["sample"].values.tolist()
    return {f"image {at} of the chosen ones": index for at, index in enumerate(chosen, start=1)}


def _rules(found: Analysis) -> Facts:
    """Return the rules that hold for some models only: for tensors, vectors, those with maps."""
    return {
        name: rule
        for model in found.models
        for measure in measures_of("analysis")
        for name, rule in measure.rules(model).items()
    }


def _with_names(places: list[Path], analyses: list[Analysis]) -> list[_Source]:
    """Return distinct names: the models' own, with the folder's name before where they clash."""
    counts = Counter(label for found in analyses for label in found.summary["models"])
    sources = [
        _Source(
            place,
            found,
            {
                label: label if counts[label] == 1 else f"{place.resolve().name}-{label}"
                for label in found.summary["models"]
            },
        )
        for place, found in zip(places, analyses, strict=True)
    ]
    given = Counter(name for source in sources for name in source.names.values())
    repeated = next((name for name, count in given.items() if count > 1), None)
    if repeated is not None:
        raise InputError(f"two models would both be named {repeated!r}; rename one of the folders")
    for label in (label for label, count in counts.items() if count > 1):
        names = [repr(source.names[label]) for source in sources if label in source.names]
        warnings.warn(
            f"{len(names)} analyses have a model named {label!r}; after their folders they are "
            f"called {', '.join(names)}",
            stacklevel=3,
        )
    return sources


def _join(sources: list[_Source]) -> Analysis:
    """Join all models under one root; every number of a model stays as it was saved."""
    saved = {
        name: source.found.tree[label].to_dataset()
        for source in sources
        for label, name in source.names.items()
    }
    models = {
        name: source.found.summary["models"][label]
        for source in sources
        for label, name in source.names.items()
    }
    children = measure_together(saved)
    recorded = _provenance(sources)
    first = sources[0].found
    attributes = {
        **first.tree.attrs,
        "models": list(children),
        "provenance": json.dumps(recorded),
    }
    root = xr.Dataset(attrs=attributes)
    tree = xr.DataTree.from_dict({"/": root, **{f"/{name}": c for name, c in children.items()}})
    for model in models_of(tree):
        models[model.label] = models[model.label] | together_entries(model)
    return Analysis(tree, {**first.summary, "provenance": recorded, "models": models})


def _provenance(sources: list[_Source]) -> Facts:
    """Return what was joined, and what all of it has in common."""
    own = [source.found.provenance for source in sources]
    settings = [one.get("settings", {}) for one in own]
    return provenance(
        data=own[0]["data"],
        data_sha256=own[0]["data_sha256"],
        seed=own[0]["seed"],
        settings={
            name: value
            for name, value in settings[0].items()
            if all(name in one and one[name] == value for one in settings)
        },
        joined=[
            {
                "folder": source.folder.resolve().name,
                "summary_sha256": sha256_of_file(source.folder / SUMMARY),
                "models": source.names,
                "provenance": recorded,
            }
            for source, recorded in zip(sources, own, strict=True)
        ],
    )
