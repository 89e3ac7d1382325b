"""A batch in micro-batches, where it does not fit into memory at once."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from latentgeo.errors import InputError
from latentgeo.objectives import AdversarialTerm, Batch, Pass, Posterior, Term


class MicroBatch(NamedTuple):
    """A part of a batch, and what came of it.

    Attributes
    ----------
    share : float
        How much of the batch it is, in (0, 1].
    pass_ : Pass
        Its pass, detached.
    losses : dict of str to torch.Tensor
        Each loss, the mean over its images, detached.
    """

    share: float
    pass_: Pass
    losses: dict[str, Tensor]


def split(batch: Batch, size: int | None) -> list[Batch]:
    """Return micro-batches of so many images each, fewer in the last; the whole for None."""
    if size is None or size >= len(batch.images):
        return [batch]
    slices = [slice(start, start + size) for start in range(0, len(batch.images), size)]
    return [
        Batch(batch.images[here], None if batch.labels is None else batch.labels[here])
        for here in slices
    ]


def join(parts: Sequence[MicroBatch]) -> tuple[Pass, dict[str, Tensor]]:
    """Return the pass and the losses of the whole batch; of posteriors, mean and what is probed."""
    if len(parts) == 1:
        return parts[0].pass_, parts[0].losses
    losses = {
        name: torch.stack([part.share * part.losses[name] for part in parts]).sum()
        for name in parts[0].losses
    }
    passes = [part.pass_ for part in parts]
    mean = torch.cat([pass_.posterior.mean for pass_ in passes])
    given = [pass_.posterior.probed for pass_ in passes]
    probed = None if given[0] is None else torch.cat([each for each in given if each is not None])
    latent = torch.cat([pass_.latent for pass_ in passes])
    logits = torch.cat([pass_.logits for pass_ in passes])
    return Pass(Posterior(mean, probed=probed), latent, logits, passes[0].model), losses


def reason_against_micro_batches(model: nn.Module, terms: Iterable[Term]) -> str | None:
    """Return what in a model or its terms would become another thing in micro-batches, or None.

    Parameters
    ----------
    model : torch.nn.Module
        What moves a buffer while it trains (batch normalisation, a codebook) needs whole batches.
    terms : iterable of Term
        Those that are not `per_image` need them too.

    Returns
    -------
    str or None
        A clause: the first thing found.
    """
    for term in terms:
        if isinstance(term, AdversarialTerm):
            return f"the adversary of {term.name!r} learns from whole batches"
        if not term.per_image:
            return f"the term {term.name!r} is measured on whole batches"
    for module in model.modules():
        if keeps_more_than_weights(module):
            return f"{type(module).__name__} in its nets sees whole batches"
    return None


def keeps_more_than_weights(module: nn.Module) -> bool:
    """Return whether a module itself has buffers: what moves them while it trains sees batches."""
    return next(module.buffers(recurse=False), None) is not None


@contextmanager
def out_of_memory_as_input_error(device: torch.device) -> Iterator[None]:
    """Raise an `InputError` of one line where memory runs out."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise InputError(
            f"out of memory on {device.type!r}; set a smaller batch_size, or use smaller nets or "
            "device 'cpu'"
        ) from None
