"""The loop: epochs of steps; after each, validate, keep the best, save the state."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from latentgeo import processes
from latentgeo.models import save_model
from latentgeo.training.graph import GraphedStep, OwnStream, can_be_graphed
from latentgeo.training.memory import freed_memory_kept
from latentgeo.training.pending import PendingLosses
from latentgeo.training.probe import save_probe
from latentgeo.training.progress import OnStep, Row
from latentgeo.training.run import Run
from latentgeo.training.state import save
from latentgeo.training.step import Step, Steps, pretrain
from latentgeo.training.validation import diagnose, validate

#: Called for each run after its epoch, before its state is saved.
OnEpoch = Callable[[Run], None]


class Loop:
    """Trains a run, or several at once.

    Each run has its own images, draws, validation and state; only the steps are made for all at
    once.

    Parameters
    ----------
    runs : sequence of Run
        Fresh or restored.
    make_steps : callable, default=Step
        Runs that stand at the same step to what takes their steps.
    """

    def __init__(
        self, runs: Sequence[Run], make_steps: Callable[[Sequence[Run]], Steps] = Step
    ) -> None:
        self._runs = runs
        self._make_steps = make_steps
        self._stream = OwnStream(runs[0].device)
        self._steps: Steps | None = None

    @freed_memory_kept()
    def run(self, on_step: OnStep, on_epoch: OnEpoch) -> None:
        """Train all runs from where they stand to the end.

        Those that are behind (they were trained apart before) go first, until they are where the
        next one is.

        Parameters
        ----------
        on_step, on_epoch : callable
            For the bar and for records.

        Raises
        ------
        TrainingDivergedError
            When a loss or a weight is no longer finite; the earlier checkpoints of all are whole.
        OSError
            When the disk refuses; the earlier checkpoints are whole.
        """
        for run in self._runs:
            run.nets.agree()
            if not run.progress.prepared:
                with run.drawing(), run.clock(), run.nets.arithmetic.products():
                    pretrain(run)
                save([run])
        while left := [run for run in self._runs if not run.progress.finished]:
            steps = sorted({run.progress.step for run in left})
            group = [run for run in left if run.progress.step == steps[0]]
            with ExitStack() as contexts, group[0].nets.arithmetic.products():
                for run in group:
                    contexts.enter_context(run.clock())
                with self._stream.used():
                    self._descend(group, steps[1] if len(steps) > 1 else None, on_step)
                closing = [run for run in group if run.epoch_is_done]
                for run in closing:
                    close_epoch(run)
            for run in closing:
                on_epoch(run)
            if closing:
                save(closing)

    def _descend(self, group: Sequence[Run], until: int | None, on_step: OnStep) -> None:
        """Descend to the end of the epoch, or to the step `until`."""
        for run in group:
            run.nets.set_mode(training=True)
        steps, pending = self._steps_of(group), PendingLosses(group)
        first, progress = group[0], group[0].progress
        images = [run.splits.train.at_epoch(run.progress.epoch) for run in group]
        left = [run.batches.positions(run.progress.epoch, run.progress.batch) for run in group]
        for positions in zip(*left, strict=True):
            with first.phase("data"):
                batches = [
                    run.batches.training(own, chosen, run.progress.step)
                    for run, own, chosen in zip(group, images, positions, strict=True)
                ]
            found = steps.descend(batches)
            for run in group:
                run.progress.advance()
            pending.add(found, len(batches[0].images))
            ends = first.epoch_is_done or progress.step == until
            if ends or first.saves_now or pending.is_due:
                pending.read()
            on_step(progress, pending.last)
            if ends:
                break
            if first.saves_now:
                save(group)

    def _steps_of(self, group: Sequence[Run]) -> Steps:
        """Return what takes the steps of a group: the same from epoch to epoch, with its graph."""
        if self._steps is None or list(self._steps.runs) != list(group):
            made = self._make_steps(group)
            self._steps = GraphedStep(made) if can_be_graphed(group[0]) else made
        return self._steps


def close_epoch(run: Run) -> None:
    """Validate, and keep the metrics, and the model where it is the best."""
    row: Row = {
        "epoch": run.progress.epoch + 1,
        "step": run.progress.step,
        "learning_rate": run.nets.optimiser.param_groups[0]["lr"],
    }
    row |= {f"train_{name}": value for name, value in run.progress.means().items()}
    with run.drawing(), run.phase("validation"):
        # Of one process: what differs in its last bits could end the run in some of them.
        validation = processes.from_rank_zero(validate(run))
    row |= {f"validation_{name}": value for name, value in validation.items()}
    run.check_weights()
    diagnose(run, validation)
    # An adversary's measure moves with the adversary, so epochs cannot be compared by it.
    better = run.progress.close_epoch(row, always=bool(run.nets.adversaries))
    run.progress.finished = run.is_last_epoch
    with run.phase("saving"):
        if processes.is_rank_zero():
            run.folder.write_metrics(run.progress.rows)
            if better:
                _save_best(run)


def _save_best(run: Run) -> None:
    save_model(run.nets.model, run.folder.path)
    if run.nets.probe is not None:
        save_probe(run.nets.probe, run.folder.path)
