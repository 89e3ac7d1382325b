"""Where a run stands."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, float]


@dataclass
class Progress:
    """What the loop knows besides weights, optimiser and random states; it is saved with them.

    Attributes
    ----------
    prepared : bool
        Whether the pre-training is done, where there is one.
    epoch : int
        Epochs that are complete.
    batch : int
        Batches of the present epoch that are done.
    step : int
        Steps made in all.
    samples : int
        Images of the present epoch that were seen.
    sums : dict of str to float
        Each loss, summed over those images.
    rows : list of dict
        The metrics of each complete epoch.
    best_epoch : int
        The epoch of the lowest validation loss; 0 before the first.
    diagnostics : dict of str to str
        What is wrong after the last epoch, a line for each term that found something.
    diagnostics_epochs : dict of str to int
        For how many epochs in a row each of them has found something.
    seconds : float
        Time spent, over all sessions.
    micro_batch : int or None
        Images that are passed at once, where memory is too small for a batch; None for all.
    finished : bool
        Whether there is nothing left to do.
    """

    prepared: bool = False
    epoch: int = 0
    batch: int = 0
    step: int = 0
    samples: int = 0
    sums: Row = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    best_epoch: int = 0
    diagnostics: dict[str, str] = field(default_factory=dict)
    diagnostics_epochs: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    micro_batch: int | None = None
    finished: bool = False

    @classmethod
    def read(cls, saved: dict[str, Any]) -> "Progress":
        """Read what was saved, also before diagnostics were called so."""
        return cls(**{name.replace("trouble", "diagnostics"): saved[name] for name in saved})

    @property
    def best(self) -> Row:
        """The metrics of the best epoch."""
        return self.rows[self.best_epoch - 1]

    def advance(self) -> None:
        """Count a step."""
        self.batch += 1
        self.step += 1

    def add(self, losses: Row, samples: int) -> None:
        """Add the losses of a step (means over the batch)."""
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + value * samples
        self.samples += samples

    def means(self) -> Row:
        """Return each loss, its mean over the images of the present epoch."""
        return {name: value / self.samples for name, value in self.sums.items()}

    def close_epoch(self, row: Row, *, always: bool = False) -> bool:
        """Keep the metrics of an epoch; return whether its validation loss is the lowest so far.

        With `always`, the last epoch counts as the best whatever its loss.
        """
        self.rows.append(row)
        self.epoch += 1
        self.batch = self.samples = 0
        self.sums = {}
        lowest = not self.best_epoch or row["validation_loss"] < self.best["validation_loss"]
        better = always or lowest
        if better:
            self.best_epoch = self.epoch
        return better


#: Called after each step with the progress of a run and the step's mean losses.
OnStep = Callable[[Progress, Row], None]
