"""What is saved of a run, so that it can go on bit for bit."""

from collections.abc import Sequence

import torch

from latentgeo import processes
from latentgeo.training.draws import random_state, set_random_state
from latentgeo.training.progress import Progress
from latentgeo.training.run import Run
from latentgeo.training.run_folder import Facts

_PARTS = {"model", "optimiser", "adversaries", "probe", "scaler", "random"}


def save(runs: Sequence[Run]) -> None:
    """Write the states, unless a weight is not finite: all take the place of the last, or none.

    Raises
    ------
    TrainingDivergedError
        When a weight is not finite; the earlier states are whole.
    OSError
        When the disk refuses; the earlier states are whole.
    """
    for run in runs:
        _save(run, waits=len(runs) > 1)
    if len(runs) > 1:
        for run in runs:
            run.folder.accept()


def _save(run: Run, *, waits: bool) -> None:
    with run.drawing(), run.phase("saving"):
        run.check_weights()
        run.nets.agree()
        if processes.is_rank_zero():
            state = {**run.nets.state_dict(), "random": random_state(run.device)}
            run.folder.write_state(state, run.progress, waits=waits)
        run.saved_step = run.progress.step


def restore(run: Run, state: Facts, progress: Progress) -> None:
    """Load a saved state, as `RunFolder.read_state` returned it, into a fresh run.

    Raises
    ------
    InputError
        When it is that of other nets, not whole, or has a part that is not known here.
    """
    if unknown := sorted(state.keys() - _PARTS):
        raise run.folder.newer_state(unknown)
    with run.drawing():
        run.progress = progress
        run.saved_step = progress.step
        try:
            run.nets.load_state_dict(state)
            set_random_state(state["random"], run.device)
        except torch.OutOfMemoryError:
            raise
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise run.folder.unreadable_state(error) from error
