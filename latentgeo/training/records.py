"""What is shown and written while runs train, and what is warned of at their end."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch

from latentgeo import processes
from latentgeo.files import sha256_of_file, write_json
from latentgeo.metrics import judge_learned
from latentgeo.models.folder import WEIGHTS
from latentgeo.provenance import provenance
from latentgeo.training.baseline import mean_image_psnr
from latentgeo.training.display import log_row, tensorboard_writer, training_bar
from latentgeo.training.draws import forked
from latentgeo.training.loop import Loop, OnEpoch
from latentgeo.training.profiling import Profile
from latentgeo.training.progress import Progress, Row
from latentgeo.training.run import Run
from latentgeo.training.run_folder import Facts
from latentgeo.training.step import Step, Steps


def train_runs(
    runs: Sequence[Run],
    make_steps: Callable[[Sequence[Run]], Steps] = Step,
    *,
    label: str,
    show: bool,
    then: OnEpoch | None,
    facts: Facts | None = None,
    tensorboard: bool = False,
    profile: bool = False,
) -> None:
    """Train runs to their end; warn who called the caller of what went wrong.

    Parameters
    ----------
    runs, make_steps
        What `Loop` takes.
    label : str
        What the bar says.
    show : bool
        Whether to show the bar.
    then : callable, optional
        Called with each run after its epoch; it may draw.
    facts : dict, optional
        What `provenance.json` says beside the facts of the run.
    tensorboard, profile : bool, default=False
        Log metrics to TensorBoard, and where the time went; of a single run.
    """
    first = runs[0]
    # Once for those that share their images.
    splits = {id(run.splits): run.splits for run in runs}
    baselines = {key: mean_image_psnr(each.train, each.validation) for key, each in splits.items()}
    done, is_first = min(run.progress.step for run in runs), processes.is_rank_zero()
    bar = training_bar(label, first.config.epochs, first.total_steps, done, show=show)
    log = tensorboard_writer(first.folder.tensorboard, done, wanted=tensorboard and is_first)
    watched = _profiled(first, wanted=profile and is_first)
    with bar as on_bar, log as writer, watched as on_profile:

        def on_step(progress: Progress, losses: Row) -> None:
            on_bar(progress, losses)
            on_profile()

        def on_epoch(run: Run) -> None:
            if not is_first:
                return
            found = run_facts(run, baselines[id(run.splits)])
            write_json(run.folder.provenance, found | (facts or {}))
            if writer is not None:
                log_row(writer, run.progress.rows[-1])
            if then is not None:
                with forked(run.device), run.nets.sharded.unsharded():
                    then(run)

        Loop(runs, make_steps).run(on_step, on_epoch)
    for run in runs:
        _warn_of_collapse(run, baselines[id(run.splits)])


@contextmanager
def _profiled(run: Run, *, wanted: bool) -> Iterator[Callable[[], None]]:
    """Yield what to call after each step."""
    if not wanted:
        yield lambda: None
        return
    left = run.total_steps - run.progress.step
    with Profile(run.folder.profile, run.device, left) as profile:
        run.phase = profile.phase
        yield profile.step


def run_facts(run: Run, baseline: float) -> Facts:
    """Return what `provenance.json` says of a run after an epoch."""
    progress, best = run.progress, run.progress.best
    return provenance(
        **run.nets.model.config.model_dump(mode="json", exclude={"vocabulary"}),
        weights_sha256=sha256_of_file(run.folder.path / WEIGHTS),
        data=run.splits.facts(),
        seed=run.config.seed,
        device=run.device.type,
        device_name=name_of(run.device),
        precision=run.config.precision,
        processes=processes.count(),
        epochs=progress.epoch,
        steps=progress.step,
        best_epoch=progress.best_epoch,
        validation_loss=best["validation_loss"],
        validation_psnr_db=best["validation_psnr"],
        baseline_psnr_db=baseline,
        learned=judge_learned(best["validation_psnr"], baseline).learned,
        micro_batch=progress.micro_batch,
        diagnostics=list(progress.diagnostics.values()),
        finished=progress.finished,
        seconds=round(progress.seconds, 1),
    )


def name_of(device: torch.device) -> str | None:
    """Return what a GPU is called; None for the CPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else None


def _warn_of_collapse(run: Run, baseline: float) -> None:
    reached, name = run.progress.best["validation_psnr"], run.config.recipe
    if not judge_learned(reached, baseline).learned:
        warnings.warn(
            f"the {name} in {str(run.folder.path)!r} has not learned: its "
            f"validation PSNR is {reached:.2f} dB, predicting the mean image gives "
            f"{baseline:.2f} dB; try more epochs or another learning rate",
            stacklevel=4,
        )
    for diagnostic in run.progress.diagnostics.values():
        warnings.warn(
            f"the {name} in {str(run.folder.path)!r} ended with a diagnostic: {diagnostic}",
            stacklevel=4,
        )
