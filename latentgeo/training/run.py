"""One run: what it is made of, and where it stands."""

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from latentgeo.errors import InputError, TrainingDivergedError
from latentgeo.models import RECIPES, Autoencoder, shapes_of
from latentgeo.training.batches import Batches
from latentgeo.training.config import TrainConfig
from latentgeo.training.data import Splits
from latentgeo.training.draws import OwnDraws
from latentgeo.training.nets import Nets
from latentgeo.training.profiling import Watch, unwatched
from latentgeo.training.progress import Progress, Row
from latentgeo.training.run_folder import RunFolder
from latentgeo.training.schedule import learning_rate_factor


class Run:
    """A run, which `Loop` trains; everything random comes from torch's global generators.

    Only the terms know what kind of model it is.

    Parameters
    ----------
    config : TrainConfig
        The settings.
    model : Autoencoder
        The model; it is moved to the device.
    splits : Splits
        The images.
    folder : RunFolder
        Where checkpoints and metrics go.
    device : torch.device
        The device to compute on.
    own_draws : bool, default=False
        Continue the global draws, as they stand, in a sequence of its own, so that several runs can
        be trained at once.

    Attributes
    ----------
    progress : Progress
        Where it stands.
    nets : Nets
        All that has weights.
    batches : Batches
        What the steps are fed.
    pretraining : Pretraining or None
        What the encoder learns before the first epoch.
    saved_step : int
        The step of the state that lies in the folder.
    phase : callable
        Called with the name of each phase; it returns the context that the phase runs in.
    """

    def __init__(
        self,
        config: TrainConfig,
        model: Autoencoder,
        splits: Splits,
        folder: RunFolder,
        device: torch.device,
        *,
        own_draws: bool = False,
    ) -> None:
        self.config = config
        self.splits = splits
        self.folder = folder
        self.device = device
        self.progress = Progress()
        self.saved_step = 0
        self.phase: Watch = unwatched
        self.nets = Nets(config, model, splits, device)
        self._check_patience()
        recipe, options = RECIPES[config.recipe], model.config.recipe_options
        self.batches = Batches(
            config, splits, device, recipe.supervision(options), recipe.corruption(options)
        )
        self.pretraining = recipe.pretraining(options, shapes_of(model))
        self.total_steps = self.batches.steps_per_epoch * config.epochs
        self.draws = OwnDraws(device) if own_draws else None

    @property
    def done(self) -> float:
        """The share of all steps that are made."""
        return self.progress.step / self.total_steps

    @property
    def epoch_is_done(self) -> bool:
        """Whether no batch of the present epoch is left."""
        return self.progress.batch == self.batches.steps_per_epoch

    @property
    def saves_now(self) -> bool:
        """Whether the state is to be saved at the present step, within the epoch."""
        return not self.epoch_is_done and self.progress.step % self.config.checkpoint_steps == 0

    @property
    def is_last_epoch(self) -> bool:
        """Whether training ends after the epochs that are complete."""
        waited, patience = self.progress.epoch - self.progress.best_epoch, self.config.patience
        out_of_patience = patience is not None and waited >= patience
        return out_of_patience or self.progress.epoch >= self.config.epochs

    def learning_rate_factor(self) -> float:
        """Return the factor of all learning rates at the present step."""
        return learning_rate_factor(
            self.config.schedule,
            self.progress.step,
            warmup_steps=self.config.warmup_steps,
            total_steps=self.total_steps,
        )

    def drawing(self) -> AbstractContextManager[None]:
        """Return a context in which torch's global draws are those of this run."""
        return nullcontext() if self.draws is None else self.draws.drawing()

    @contextmanager
    def clock(self) -> Iterator[None]:
        """Count the time of a block as spent on this run."""
        start = time.monotonic()
        yield
        self.progress.seconds += time.monotonic() - start

    def check_finite(self, values: Row, step: int | None = None) -> None:
        """Raise `TrainingDivergedError` for a loss that is not finite.

        Parameters
        ----------
        values : dict of str to float
            The losses.
        step : int, optional
            The step of which they are, from 1; the next one if left out.
        """
        broken = [name for name, value in values.items() if not math.isfinite(value)]
        if broken:
            # The sum comes first, but the term behind it says what went wrong.
            name = next((name for name in broken if name != "loss"), "loss")
            raise self._diverged(f"loss term {name!r} is {values[name]}", step)

    def check_weights(self) -> None:
        """Raise `TrainingDivergedError` for a weight that is not finite."""
        if not self.nets.are_finite():
            raise self._diverged("a weight is not finite")

    def _check_patience(self) -> None:
        if self.nets.adversaries and self.config.patience is not None:
            raise InputError(
                f"patience is {self.config.patience}, but an adversary's loss cannot be compared "
                f"between epochs, so the {self.config.recipe} is trained to the end; leave it out"
            )

    def _diverged(self, what: str, step: int | None = None) -> TrainingDivergedError:
        tries = [f"a learning rate below {self.config.learning_rate:g}"]
        if self.config.gradient_clip is None:
            tries.append("a gradient clip of 1")
        if self.config.precision != "32-true":
            tries.append("precision 32-true")
        message = (
            f"training diverged: {what} at step {step or self.progress.step + 1} "
            f"(epoch {self.progress.epoch + 1}); the last good checkpoint, of step "
            f"{self.saved_step}, is kept in {str(self.folder.path)!r}; try {', or '.join(tries)}"
        )
        if self.draws is None:
            return TrainingDivergedError(message)
        return TrainingDivergedError(f"{self.folder.path.name}: {message}; all runs have stopped")
