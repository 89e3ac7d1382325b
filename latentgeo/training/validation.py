"""How a run does on the images that are held out."""

import warnings

import torch

from latentgeo.objectives import Batch, Term
from latentgeo.training.baseline import psnr_in_decibels
from latentgeo.training.draws import forked
from latentgeo.training.losses import Losses, measured, total
from latentgeo.training.progress import Row
from latentgeo.training.run import Run

# Epochs in a row: adversaries and codes need some until they have found each other.
_PATIENCE_WITH_WARNINGS = 3


@torch.no_grad()
def validate(run: Run) -> Row:
    """Measure terms, PSNR and diagnostics on the validation images, with the posterior's mean.

    Corrupted inputs get the same noise in every epoch, and the draws of training are left as they
    were.

    Raises
    ------
    TrainingDivergedError
        When a mean is not finite.
    """
    run.nets.set_mode(training=False)
    sums: Row = {}
    with forked(run.device):
        torch.manual_seed(run.config.seed)
        for batch in run.batches.validation():
            (row,) = measured(measure(run, batch)).rows()
            for name, value in row.items():
                sums[name] = sums.get(name, 0.0) + value * len(batch.images)
    means = {name: value / len(run.splits.validation) for name, value in sums.items()}
    run.check_finite(means)
    return means


def measure(run: Run, batch: Batch) -> Losses:
    """Return terms at their full weight, PSNR, diagnostics, and how the probe does on a batch."""
    nets = run.nets
    pass_ = nets.run(run.batches.corrupt(batch.images), batch.labels)
    decibels = psnr_in_decibels(nets.model.to_image(pass_.logits), batch.images)
    diagnostics = {
        f"{term.name}_{name}": value
        for term in nets.terms
        for name, value in term.diagnostics(pass_, batch).items()
    }
    weights = torch.tensor(nets.weights_at(1.0), device=run.device)
    found = total(nets.measure(pass_, batch), weights) | {"psnr": decibels.mean(), **diagnostics}
    if nets.probe is not None and batch.probe_labels is not None:
        found |= nets.probe.measure(pass_.probed, batch.probe_labels)
    return found


def diagnose(run: Run, validation: Row) -> None:
    """Diagnose each term, and warn where a diagnosis stays for some epochs."""
    progress, before = run.progress, run.progress.diagnostics_epochs
    progress.diagnostics, progress.diagnostics_epochs = {}, {}
    for term in run.nets.terms:
        diagnostic = term.diagnose(_diagnostics_of(term, validation))
        if diagnostic is None:
            continue
        progress.diagnostics[term.name] = diagnostic
        progress.diagnostics_epochs[term.name] = before.get(term.name, 0) + 1
        if progress.diagnostics_epochs[term.name] == _PATIENCE_WITH_WARNINGS:
            warnings.warn(
                f"epoch {progress.epoch + 1} of the {run.config.recipe} in "
                f"{str(run.folder.path)!r}: {diagnostic}",
                stacklevel=2,
            )


def _diagnostics_of(term: Term, validation: Row) -> Row:
    """Pick the diagnostics of a term, by their own names."""
    prefix = f"{term.name}_"
    return {
        name.removeprefix(prefix): value
        for name, value in validation.items()
        if name.startswith(prefix)
    }
