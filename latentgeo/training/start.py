"""Start a run, or go on with one."""

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from latentgeo import processes
from latentgeo.datasets import name_of_data
from latentgeo.errors import InputError
from latentgeo.files import check_free, kept
from latentgeo.models import Autoencoder, ModelConfig, build, choose_device
from latentgeo.settings import parse, resolve
from latentgeo.training.config import TrainConfig
from latentgeo.training.data import Splits, load_splits
from latentgeo.training.display import check_tensorboard
from latentgeo.training.draws import forked
from latentgeo.training.micro_batches import out_of_memory_as_input_error
from latentgeo.training.progress import Progress
from latentgeo.training.records import train_runs
from latentgeo.training.run import Run
from latentgeo.training.run_folder import Facts, RunFolder
from latentgeo.training.state import restore


def train(
    recipe: str,
    *,
    data: Any,
    out: str | Path,
    tensorboard: bool = False,
    profile: bool = False,
    resume: bool = False,
    force: bool = False,
    progress: bool = True,
    on_epoch: Callable[[Autoencoder, int], None] | None = None,
    **settings: Any,
) -> Path:
    """Train an autoencoder and write a run folder.

    On a CPU, with the same number of threads, a run is the same bit for bit every time, also
    when it was interrupted and resumed. Torch's global random state is left as it was. Where
    `torchrun` started several processes, all have to call it, with the same arguments: they share
    each batch, and come to the weights of one process but for rounding. Their number is no setting:
    a run can be resumed by more or fewer of them.

    Parameters
    ----------
    recipe : str
        A name in `latentgeo.models.RECIPES`.
    data : str, pathlib.Path or object
        Images, as `latentgeo.datasets.load` takes them: their splits "train" and "validation", a
        hash of names or positions where they are not parted. Of an `ImageDataset` a tenth is held
        out for validation.
    out : str or pathlib.Path
        The run folder; see `RunFolder` for what it holds. The weights in it are those of the
        epoch with the lowest validation loss.
    tensorboard : bool, default=False
        Log to TensorBoard too (extra `tensorboard`).
    profile : bool, default=False
        Leave in `profile` of the run folder where the time went: a summary of five lines, and the
        trace of some steps that torch's profiler took.
    resume : bool, default=False
        Go on with the run that lies in `out`; the settings must be the same.
    force : bool, default=False
        Overwrite what `out` holds.
    progress : bool, default=True
        Show a bar on standard error.
    on_epoch : callable, optional
        Called after each epoch, before its state is saved, with the model in evaluation mode and
        the number of epochs done. What it draws at random does not change the training. An
        interrupted run that is resumed may call it again for its last epoch. Of several processes
        the first one calls it.
    **settings
        The other fields of `TrainConfig`: `backbone`, `options`, `epochs`, `batch_size`, `seed`,
        `device` and so on. With `probe`, a softmax layer is trained beside the model, on the labels
        of all training images and the posterior's means as they come in each step; the model does
        not feel it. Its accuracy on the validation images stands in the metrics;
        `probe_accuracy` measures it on others.

    Returns
    -------
    pathlib.Path
        The run folder.

    Raises
    ------
    InputError
        When a setting, the data or the folder cannot be used, there is nothing to resume, the
        device's memory is too small, or there are more processes than it has a use for.
    ProcessesError
        When another process is gone, or has come to other weights.
    TrainingDivergedError
        When a loss is NaN or infinite; the last good checkpoint is kept.
    OSError
        When the disk is full; the last checkpoint is kept.

    Warns
    -----
    UserWarning
        When the trained model is no better than predicting the mean image; while it trains and
        again at the end, when a term finds that it does not work; and when a batch does not fit
        into the device's memory, so that it is taken in parts.

    Examples
    --------
    >>> import latentgeo
    >>> settings = {"backbone": "mlp", "epochs": 1, "options": {"hidden": [16], "latent_dim": 4}}
    >>> run = latentgeo.train("cae", data="digits", out="runs/mlp", progress=False, **settings)
    >>> sorted(path.name for path in run.iterdir())
    ['config.json', 'metrics.csv', 'model.safetensors', 'provenance.json', 'run.json', 'state']
    """
    config = resolve(
        TrainConfig, None, {"recipe": recipe, "data": name_of_data(data), **settings}, of=train
    )
    processes.join()
    where = check_device(config)
    _check_processes(config)
    if tensorboard:
        check_tensorboard()
    folder = RunFolder(Path(out))
    with processes.held_by_rank_zero(lambda: kept(folder.path)):
        processes.on_rank_zero(
            lambda: check_folder(folder, config, data, resume=resume, force=force)
        )
        with processes.machine_by_machine():
            splits = load_splits(data, config)
        processes.check_same(splits.facts(), "data")
        with forked(where), out_of_memory_as_input_error(where), processes.rank_zero_warns():
            run = fresh_run(config, splits, folder, where)
            if resume:
                if found := processes.on_rank_zero(lambda: take_up(folder, splits.facts())):
                    restore(run, *found)
            else:
                processes.on_rank_zero(lambda: folder.begin(config, splits.facts(), force=force))
            then = None if on_epoch is None else partial(_call, on_epoch)
            train_runs(
                [run],
                label=recipe,
                show=progress,
                then=then,
                tensorboard=tensorboard,
                profile=profile,
            )
        processes.wait()  # until everything is written
    return folder.path


def _call(on_epoch: Callable[[Autoencoder, int], None], run: Run) -> None:
    on_epoch(run.nets.model.eval(), run.progress.epoch)


def check_device(config: TrainConfig) -> torch.device:
    """Return the device of the settings; raise `InputError` if it cannot do what they ask for."""
    device = choose_device(config.device)
    if device.type == "cuda":
        device = torch.device("cuda", processes.local_rank())
    if config.precision in ("16-mixed", "tf32") and device.type == "cpu":
        raise InputError(
            f"precision {config.precision!r} needs a GPU; use 'bf16-mixed' or '32-true'"
        )
    if config.precision == "bf16-mixed" and device.type == "cuda" and not _computes_bfloat16():
        raise InputError(
            f"precision 'bf16-mixed' is not available on {torch.cuda.get_device_name()!r}; "
            "use '16-mixed' or '32-true'"
        )
    return device


def _check_processes(config: TrainConfig) -> None:
    if processes.count() > config.batch_size:
        raise InputError(
            f"batch_size is {config.batch_size}, fewer images than the {processes.count()} "
            "processes that torchrun started; start fewer, or set a larger batch_size"
        )


def _computes_bfloat16() -> bool:
    """Return whether the GPU has bfloat16 itself: emulated, it is slower than float32."""
    supported: bool = torch.cuda.is_bf16_supported(including_emulation=False)
    return supported


def check_folder(
    folder: RunFolder, config: TrainConfig, data: object, *, resume: bool, force: bool
) -> None:
    """Refuse a folder (`InputError`) before anything is loaded; nothing is written yet."""
    if resume and force:
        raise InputError(
            "resume and force were both given; resume continues the run, force starts it again"
        )
    if resume:
        folder.check_settings(config)
    else:
        check_free(folder.path, holds="a training run", force=force, reads=(data,))


def fresh_model(config: TrainConfig, splits: Splits) -> Autoencoder:
    """Build the model of the settings; its weights are drawn from torch's global generator."""
    values = {
        "recipe": config.recipe,
        "backbone": config.backbone,
        "image_shape": splits.train.shape,
        "options": config.options,
        "vocabulary": splits.vocabulary,
    }
    return build(parse(ModelConfig, values, "setting"))


def fresh_run(
    config: TrainConfig,
    splits: Splits,
    folder: RunFolder,
    device: torch.device,
    *,
    own_draws: bool = False,
) -> Run:
    """Seed torch's global generators, and build a run with weights drawn from them."""
    torch.manual_seed(config.seed)
    model = fresh_model(config, splits)
    run = Run(config, model, splits, folder, device, own_draws=own_draws)
    if whole := run.nets.sharded.whole:
        reasons = ", ".join(f"{name} ({why})" for name, why in whole.items())
        warnings.warn(
            f"each of the {processes.count()} processes computes these nets of the "
            f"{config.recipe} for whole batches, with the same result but no speed-up: {reasons}",
            stacklevel=2,
        )
    return run


def take_up(folder: RunFolder, data: Facts) -> tuple[Facts, Progress] | None:
    """Read the state of the run that lies here; None where it stopped before there was one."""
    folder.check_data(data)
    folder.next_state.unlink(missing_ok=True)  # of runs that were trained at once
    return folder.read_state() if folder.state.is_file() else None
