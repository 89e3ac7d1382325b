"""Losses that the device knows and the host has not read."""

from collections.abc import Sequence

import torch

from latentgeo.training.losses import Measured, mean_row
from latentgeo.training.progress import Row
from latentgeo.training.run import Run

# Steps between two readings: each waits until the device has caught up.
_EVERY = {"cpu": 1, "cuda": 25}


class PendingLosses:
    """The losses of the last steps of some runs, which are read a few steps at a time.

    Parameters
    ----------
    runs : sequence of Run
        Their progress gets the losses when these are read.

    Attributes
    ----------
    last : dict of str to float
        The losses that were read last, the mean over the runs; empty before the first.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self.last: Row = {}
        self._runs = runs
        self._every = _EVERY[runs[0].device.type]
        self._found: list[Measured] = []
        self._images: list[int] = []
        self._first = 0

    def add(self, found: Measured, images: int) -> None:
        """Keep what a step measured on so many images of each run."""
        if not self._found:
            self._first = self._runs[0].progress.step
        self._found.append(found)
        self._images.append(images)

    @property
    def is_due(self) -> bool:
        """Whether enough steps have come together; the first is read at once."""
        return not self.last or len(self._found) >= self._every

    def read(self) -> None:
        """Add what was kept to the progress of the runs.

        Raises
        ------
        TrainingDivergedError
            When a loss is not finite; it names the step.
        """
        if not self._found:
            return
        # In one transfer.
        steps = torch.stack([found.values for found in self._found]).cpu()
        names, images, self._found, self._images = self._found[0].names, self._images, [], []
        for step, (values, count) in enumerate(zip(steps, images, strict=True), start=self._first):
            rows = Measured(names, values).rows()
            for run, row in zip(self._runs, rows, strict=True):
                run.check_finite(row, step)
                run.progress.add(row, count)
            self.last = mean_row(rows)
