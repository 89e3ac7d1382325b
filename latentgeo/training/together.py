"""Train several seeds and settings at once."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentgeo import processes
from latentgeo.datasets import name_of_data
from latentgeo.errors import InputError
from latentgeo.files import kept
from latentgeo.models import RECIPES, Autoencoder
from latentgeo.settings import resolve
from latentgeo.training.batched import StackedStep, check_batched
from latentgeo.training.config import TrainConfig
from latentgeo.training.data import Splits, load_splits
from latentgeo.training.draws import forked
from latentgeo.training.micro_batches import out_of_memory_as_input_error
from latentgeo.training.records import train_runs
from latentgeo.training.run import Run
from latentgeo.training.run_folder import RunFolder, settle
from latentgeo.training.start import check_device, check_folder, fresh_run, take_up
from latentgeo.training.state import restore

#: Called with the model, the number of epochs done, and the run folder.
OnEpoch = Callable[[Autoencoder, int, Path], None]

# What runs can differ in that share nets and terms: how far a step goes, what a term weighs, what
# is done to the images, and what the encoder learns first.
SWEPT_SETTINGS = (
    "learning_rate",
    "schedule",
    "warmup_steps",
    "gradient_clip",
    "patience",
    "probe_rate",
)
SWEPT_OPTIONS = (
    "noise",
    "input_noise",
    "kl_weight",
    "kl_warmup",
    "adversarial_weight",
    "prior_weight",
    "convention",
    "pretrain_steps",
    "stage_weight",
    "critic_weight",
    "critic_rate",
    "discriminator_rate",
)


def train_together(
    recipe: str,
    *,
    data: Any,
    out: str | Path,
    seeds: Sequence[int] = (0,),
    sweep: Mapping[str, Sequence[Any] | NDArray[Any]] | None = None,
    resume: bool = False,
    force: bool = False,
    progress: bool = True,
    on_epoch: OnEpoch | None = None,
    **settings: Any,
) -> list[Path]:
    """Train at several seeds and settings as one batched model, and leave a run folder of each.

    Each run is the one that `train` makes of its seed and settings, but for rounding: weights,
    order of images and draws are its own, and so are validation, best epoch and state. Where nets
    are so small that a step is short of work, as on a GPU, several runs take little longer than
    one.

    Recipes cannot be trained so that learn from labels, or whose nets keep more than weights while
    they train (batch normalisation, a codebook).

    Parameters
    ----------
    recipe : str
        As for `train`.
    data : str, pathlib.Path or object
        As for `train`.
    out : str or pathlib.Path
        The folder in which the run folders lie, named by what is swept and the seed: `seed-0`,
        `kl_weight-4-seed-0`.
    seeds : sequence of int, default=(0,)
        The seeds, all different.
    sweep : mapping of str to sequence or array, optional
        Values by the name of a setting or an option, in place of the one that `settings` give; all
        combinations are trained, at every seed. What can be swept changes neither nets nor terms:
        `learning_rate`, `schedule`, `warmup_steps`, `gradient_clip`, `patience`, `probe_rate`; and
        of the recipe's options `noise`, `input_noise`, `kl_weight`, `kl_warmup`,
        `adversarial_weight`, `prior_weight`, `convention`, `pretrain_steps`, `stage_weight`,
        `critic_weight`, `critic_rate` and `discriminator_rate`.
    resume : bool, default=False
        Go on with those of these runs that lie in `out`; those that are finished are kept. A
        run that `train` made can be among them, and `train` can resume one of these.
    force : bool, default=False
        Overwrite the run folders of these runs.
    progress : bool, default=True
        Show one bar for all.
    on_epoch : callable, optional
        As for `train`, and it is given the run folder as the third argument.
    **settings
        The other settings of `train`: `backbone`, `options`, `epochs`, `batch_size` and so on; all
        of `TrainConfig` but `seed`.

    Returns
    -------
    list of pathlib.Path
        The run folders: the combinations in the order of the sweep, the seeds of each together.

    Raises
    ------
    InputError
        As `train` does; also when the recipe cannot be trained so, `torchrun` started several
        processes, or something cannot be swept or is given twice.
    TrainingDivergedError
        When a loss of one run is NaN or infinite: all stop, their last good checkpoints are kept.
    OSError
        When the disk is full; the last checkpoints are kept.

    Warns
    -----
    UserWarning
        As `train` does, for each run.
    """
    configs = _configs(recipe, seeds, sweep or {}, data, settings)
    if processes.count() > 1:
        raise InputError(
            f"torchrun started {processes.count()} processes, but runs that are trained at once "
            "take one; start one, or train them one by one"
        )
    where = check_device(next(iter(configs.values())))
    folders = {name: RunFolder(Path(out) / name) for name in configs}
    with ExitStack() as held:
        for folder in folders.values():
            held.enter_context(kept(folder.path))
        for name, folder in folders.items():
            # A kill can come while only some of them are begun.
            begun = folder.run.is_file() or not any(each.run.is_file() for each in folders.values())
            check_folder(folder, configs[name], data, resume=resume and begun, force=force)
        splits = _load(data, configs.values())
        with forked(where), out_of_memory_as_input_error(where):
            runs = [
                fresh_run(config, own, folders[name], where, own_draws=True)
                for (name, config), own in zip(configs.items(), splits, strict=True)
            ]
            check_batched(runs)
            if resume:
                settle(list(folders.values()))
                runs = _restored(runs)
            else:
                for run in runs:
                    run.folder.begin(run.config, run.splits.facts(), force=force)
            train_runs(
                runs,
                StackedStep,
                label=f"{recipe} of {len(runs)} runs",
                show=progress,
                then=None if on_epoch is None else partial(_call, on_epoch),
                facts={"batched_with": list(configs)},
            )
    return [folder.path for folder in folders.values()]


def _configs(
    recipe: str,
    seeds: Sequence[int],
    sweep: Mapping[str, Any],
    data: Any,
    settings: dict[str, Any],
) -> dict[str, TrainConfig]:
    """Return the settings of each run by its name."""
    if not seeds:
        raise InputError("no seeds were given; give at least one, as in 0,1,2")
    if len(set(seeds)) < len(seeds):
        raise InputError(f"seeds are {list(seeds)}, expected each of them once")
    if "seed" in settings:
        raise InputError(f"seed is {settings['seed']}, but seeds are given; leave seed out")
    common = {**settings, "recipe": recipe, "data": name_of_data(data)}
    sweep = {name: _to_list(values) for name, values in sweep.items()}
    _check_sweep(recipe, sweep)
    configs = {}
    for values in product(*sweep.values()):
        chosen = dict(zip(sweep, values, strict=True))
        swept = [f"{setting}-{_format(value)}" for setting, value in chosen.items()]
        for seed in seeds:
            given = {**_override(common, chosen), "seed": seed}
            name = "-".join([*swept, f"seed-{seed}"])
            configs[name] = resolve(TrainConfig, None, given, of=train_together)
    return configs


def _to_list(values: Any) -> Any:
    """Return plain numbers for an array of them."""
    return values.tolist() if isinstance(values, np.ndarray) else values


def _check_sweep(recipe: str, sweep: Mapping[str, Any]) -> None:
    if recipe not in RECIPES:
        return  # refused with the other settings
    known = RECIPES[recipe].options.model_fields
    can = [*SWEPT_SETTINGS, *(name for name in SWEPT_OPTIONS if name in known)]
    for name, values in sweep.items():
        if name not in can:
            raise InputError(
                f"{name!r} cannot be swept: runs of the {recipe} that are trained at once share "
                f"nets and terms, and can differ in {', '.join(can)}; train these one by one"
            )
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise InputError(
                f"sweep of {name} is {values!r}, expected a list of values, as in [0.5, 1, 4]"
            )
        names = [_format(value) for value in values]
        if len(set(names)) < len(names):
            raise InputError(f"sweep of {name} is {list(values)}, expected each value once")


def _override(settings: dict[str, Any], chosen: dict[str, Any]) -> dict[str, Any]:
    """Return the settings with others in place of some; options go where they belong."""
    own = {name: value for name, value in chosen.items() if name in SWEPT_SETTINGS}
    options = {name: value for name, value in chosen.items() if name not in own}
    return {**settings, **own, "options": {**(settings.get("options") or {}), **options}}


def _format(value: Any) -> str:
    """Write a value as a part of a folder's name."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _load(data: Any, configs: Iterable[TrainConfig]) -> list[Splits]:
    """Load the images of each run: those of a seed are the same, and all, unless it chooses."""
    found: dict[int | None, Splits] = {}
    splits = []
    for config in configs:
        chosen_by = None if config.train_samples is None else config.seed
        if chosen_by not in found:
            found[chosen_by] = load_splits(data, config)
        splits.append(found[chosen_by])
    return splits


def _restored(runs: Sequence[Run]) -> list[Run]:
    """Restore the runs that are not finished, and return them."""
    left = [run for run in runs if _restore(run)]
    if not left:
        raise InputError(
            f"all these runs in {str(runs[0].folder.path.parent)!r} are finished, "
            "nothing is left to resume; for more epochs start new run folders"
        )
    return left


def _restore(run: Run) -> bool:
    """Return whether there was something to go on with."""
    try:
        if not run.folder.run.is_file():
            run.folder.begin(run.config, run.splits.facts(), force=False)
        elif found := take_up(run.folder, run.splits.facts()):
            restore(run, *found)
    except InputError:
        if not run.folder.finished:
            raise
        return False
    return True


def _call(on_epoch: OnEpoch, run: Run) -> None:
    on_epoch(run.nets.model.eval(), run.progress.epoch, run.folder.path)
