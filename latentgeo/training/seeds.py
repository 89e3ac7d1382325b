"""Train several seeds at once."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from latentgeo import processes
from latentgeo.datasets import ImageDataset
from latentgeo.errors import InputError
from latentgeo.files import write_json
from latentgeo.models import Autoencoder, parse
from latentgeo.training.baseline import mean_image_psnr
from latentgeo.training.batched import BatchedLoop, Member, check_batched
from latentgeo.training.config import TrainConfig
from latentgeo.training.data import Parts, load_parts
from latentgeo.training.display import training_bar
from latentgeo.training.loop import forked
from latentgeo.training.micro_batches import memory_said
from latentgeo.training.run_folder import RunFolder
from latentgeo.training.start import (
    check_device,
    check_folder,
    fresh_model,
    run_facts,
    take_up,
    warn_of_collapse,
)

#: Called with the model, the number of epochs done, and the seed.
OnEpoch = Callable[[Autoencoder, int, int], None]


def train_seeds(
    recipe: str,
    *,
    seeds: Sequence[int],
    data: ImageDataset | str | Path,
    out: str | Path,
    resume: bool = False,
    force: bool = False,
    progress: bool = True,
    on_epoch: OnEpoch | None = None,
    **settings: Any,
) -> list[Path]:
    """Train an autoencoder from several seeds as one batched model, and leave a run folder of each.

    Each run is the one that `train` makes of its seed, but for rounding: weights, order of images
    and draws are its own, and so are validation, best epoch and state. Where nets are so small that
    a step is short of work, as on a GPU, several seeds take little longer than one.

    Recipes cannot be trained so that learn from labels, or whose nets keep more than weights while
    they train (batch normalisation, a codebook). Seeds share all settings.

    Parameters
    ----------
    recipe : str
        As for `train`.
    seeds : sequence of int
        The seeds, all different.
    data : ImageDataset, str or pathlib.Path
        As for `train`.
    out : str or pathlib.Path
        The folder in which the run folders lie, `seed-0` that of seed 0.
    resume : bool, default=False
        Go on with the runs of these seeds that lie in `out`; those that are finished are kept. A
        run that `train` made can be among them, and `train` can resume one of these.
    force : bool, default=False
        Overwrite the run folders of these seeds.
    progress : bool, default=True
        Show one bar for all.
    on_epoch : callable, optional
        As for `train`, and it is given the seed as the third argument.
    **settings
        The other settings of `train`: `backbone`, `options`, `epochs`, `batch_size` and so on; all
        of `TrainConfig` but `seed`.

    Returns
    -------
    list of pathlib.Path
        The run folders, in the order of the seeds.

    Raises
    ------
    InputError
        As `train` does; also when the recipe cannot be trained so, `torchrun` started several
        processes, or a seed is given twice.
    TrainingDivergedError
        When a loss of one seed is NaN or infinite: all stop, their last good checkpoints are kept.
    OSError
        When the disk is full; the last checkpoints are kept.

    Warns
    -----
    UserWarning
        As `train` does, for each seed.
    """
    configs = _configs(recipe, seeds, data, settings)
    if processes.count() > 1:
        raise InputError(
            f"torchrun started {processes.count()} processes, but seeds that are trained at once "
            "take one; start one, or train the seeds one by one"
        )
    place = check_device(configs[0])
    folders = [RunFolder(Path(out) / f"seed-{config.seed}") for config in configs]
    for config, folder in zip(configs, folders, strict=True):
        check_folder(folder, config, data, resume=resume, force=force)
    parts = _load(data, configs)
    with forked(place), memory_said(place):
        members = [
            _member(config, own, folder, place)
            for config, own, folder in zip(configs, parts, folders, strict=True)
        ]
        check_batched(members)
        if resume:
            members = _restored(members)
        else:
            for member in members:
                member.folder.begin(member.config, member.parts.facts(), force=force)
        _run(members, [config.seed for config in configs], show=progress, then=on_epoch)
    return [folder.path for folder in folders]


def _configs(
    recipe: str, seeds: Sequence[int], data: ImageDataset | str | Path, settings: dict[str, Any]
) -> list[TrainConfig]:
    if not seeds:
        raise InputError("no seeds were given; give at least one, as in 0,1,2")
    if len(set(seeds)) < len(seeds):
        raise InputError(f"seeds are {list(seeds)}, expected each of them once")
    if "seed" in settings:
        raise InputError(f"seed is {settings['seed']}, but seeds are given; leave seed out")
    name = data.name if isinstance(data, ImageDataset) else str(data)
    common = {**settings, "recipe": recipe, "data": name}
    return [parse(TrainConfig, {**common, "seed": seed}, "setting") for seed in seeds]


def _load(data: ImageDataset | str | Path, configs: Sequence[TrainConfig]) -> list[Parts]:
    """Load the images of each seed: the same, unless the seed chooses among them."""
    if configs[0].train_samples is None:
        return [load_parts(data, configs[0])] * len(configs)
    return [load_parts(data, config) for config in configs]


def _member(config: TrainConfig, parts: Parts, folder: RunFolder, place: torch.device) -> Member:
    torch.manual_seed(config.seed)
    return Member(config, fresh_model(config, parts), parts, folder, place)


def _restored(members: Sequence[Member]) -> list[Member]:
    """Give those members that are not finished, each where it stood."""
    left = [member for member in members if _restore(member)]
    if not left:
        raise InputError(
            f"the runs of all seeds in {str(members[0].folder.path.parent)!r} are finished, "
            "nothing is left to resume; for more epochs start new run folders"
        )
    return left


def _restore(member: Member) -> bool:
    """Say whether there was something to go on with."""
    try:
        member.restore(*take_up(member.folder, member.parts.facts()))
    except InputError:
        if not member.folder.finished:
            raise
        return False
    return True


def _run(members: Sequence[Member], seeds: list[int], *, show: bool, then: OnEpoch | None) -> None:
    first = members[0]
    baselines = _baselines(members)
    label = f"{first.config.recipe} of {len(members)} seeds"
    done = min(member.progress.step for member in members)
    bar = training_bar(label, first.config.epochs, first.total_steps, done, show=show)

    def on_epoch(member: Member) -> None:
        facts = run_facts(member, baselines[member.config.seed])
        write_json(member.folder.provenance, {**facts, "batched_with": seeds})
        if then is not None:
            with forked(member.fabric.device):
                then(member.model.eval(), member.progress.epoch, member.config.seed)

    with bar as on_step:
        BatchedLoop(members).run(on_step, on_epoch)
    for member in members:
        warn_of_collapse(member, baselines[member.config.seed])


def _baselines(members: Sequence[Member]) -> dict[int, float]:
    """Give what the mean image reaches for each seed, once for those that share their images."""
    found = {id(member.parts): member.parts for member in members}
    reached = {key: mean_image_psnr(parts.train, parts.validation) for key, parts in found.items()}
    return {member.config.seed: reached[id(member.parts)] for member in members}
