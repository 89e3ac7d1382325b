"""The nets of a model, each process with its own rows of a batch; all else is the same everywhere.

Every process trains the same model on the same batches with the same draws. Where a batch goes
through a net, each takes its own rows and gathers those of the others, so that every term sees the
whole batch, as in one process. What is differentiated is the whole loss in every process: the
gradient of a net's output is cut to the rows that were computed here, that of its input gathered.
So the gradients of the net's weights are what its rows add, and their sum is the gradient.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.autograd import Function
from torch.nn.modules.dropout import _DropoutNd

from latentgeo import processes
from latentgeo.errors import ProcessesError
from latentgeo.models import Autoencoder
from latentgeo.training.micro_batches import keeps_more_than_weights

# Far above what rounding makes of weights between two states, far below what a fault does.
_APART = 1e-3
# Its name from PyTorch 2.13 on, and the one before.
_gather_into = getattr(distributed, "all_gather_single", distributed.all_gather_into_tensor)


class ShardedNets:
    """The encoder and the decoder of a model, dealt to the processes row by row.

    With one process there is nothing to it.

    Parameters
    ----------
    model : Autoencoder
        On its device. Its nets keep their weights and names; hooks deal and gather.

    Attributes
    ----------
    whole : dict of str to str
        The nets that every process computes whole, with the reason.
    """

    def __init__(self, model: Autoencoder) -> None:
        self.whole: dict[str, str] = {}
        self._model = model
        self._summed: set[nn.Parameter] = set()
        self._unsharded = False
        if processes.count() > 1:
            for name, net in (("encoder", model.encoder), ("decoder", model.decoder)):
                if net is not None:
                    self._add(name, net)

    def sum_gradients(self) -> None:
        """Add up what the rows of each process gave, in one transfer, after all of backward.

        Gradients of what is computed whole are taken from the first process: on a GPU they may
        differ in their last bits.
        """
        if processes.count() == 1:
            return
        weights = [weight for weight in self._model.parameters() if weight.grad is not None]
        flat = torch.cat([self._own_gradient(weight).flatten() for weight in weights])
        with processes.as_processes_error():
            distributed.all_reduce(flat)
        _copy_into([weight.grad for weight in weights], flat)

    @contextmanager
    def unsharded(self) -> Iterator[None]:
        """Run the nets without the other processes, for what one process computes alone."""
        self._unsharded = True
        try:
            yield
        finally:
            self._unsharded = False

    def _add(self, name: str, net: nn.Module) -> None:
        reason = reason_for_whole_batches(net)
        if reason is not None:
            self.whole[name] = reason
            return
        rows = _Rows(self)
        net.register_forward_pre_hook(rows.deal)
        net.register_forward_hook(rows.gather)
        self._summed.update(net.parameters())

    def _own_gradient(self, weight: nn.Parameter) -> Tensor:
        assert weight.grad is not None
        own = weight in self._summed or processes.is_rank_zero()
        return weight.grad if own else torch.zeros_like(weight.grad)


class _Rows:
    """What a net's hooks do."""

    def __init__(self, nets: ShardedNets) -> None:
        self._nets = nets
        self._count = 0

    def deal(self, net: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor] | None:
        """Return this process's rows; the last one is repeated until all have equally many."""
        if self._nets._unsharded:
            return None
        (rows,) = inputs
        self._count = len(rows)
        missing = -len(rows) % processes.count()
        if missing:
            last = rows[-1:].detach().expand(missing, *rows.shape[1:])
            rows = torch.cat([rows, last])
        return (_Deal.apply(rows),)  # type: ignore[no-untyped-call]

    def gather(self, net: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor | None:
        """Return the output for the rows of all processes, without the repeated ones."""
        if self._nets._unsharded:
            return None
        rows: Tensor = _Gather.apply(output)  # type: ignore[no-untyped-call]
        return rows[: self._count]


class _Deal(Function):
    """The rows of one process; backward, the gradients of all rows."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        return _own_rows(rows).clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return all_rows(gradient)


class _Gather(Function):
    """The rows of all processes; backward, the gradients of this process's rows.

    Every process differentiates the same loss, so there is nothing to add up.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        return all_rows(rows)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _own_rows(gradient)


def reason_for_whole_batches(net: nn.Module) -> str | None:
    """Return why a net has to see whole batches, or None.

    Parameters
    ----------
    net : torch.nn.Module
        What moves a buffer while it trains (batch normalisation, a codebook) mixes the rows, and
        dropout draws for all of them.

    Returns
    -------
    str or None
        The name of the first such module.
    """
    for module in net.modules():
        if keeps_more_than_weights(module) or isinstance(module, _DropoutNd):
            return type(module).__name__
    return None


@torch.no_grad()
def take_from_rank_zero(tensors: list[Tensor]) -> None:
    """Broadcast the first process's values, which the others should have but for rounding.

    Parameters
    ----------
    tensors : list of torch.Tensor
        On one device; changed in place.

    Raises
    ------
    ProcessesError
        In every process, when one has come far from them: what it computed was not the same.
    """
    if processes.count() == 1:
        return
    own = torch.cat([tensor.detach().flatten().float() for tensor in tensors])
    first = own.clone()
    with processes.as_processes_error():
        distributed.broadcast(first, src=0)
        apart = (own - first).norm() / first.norm()
        distributed.all_reduce(apart, distributed.ReduceOp.MAX)
    if not float(apart) <= _APART:
        raise ProcessesError(
            f"the weights of the {processes.count()} processes have diverged, by "
            f"{float(apart):.2g} of their norm; let all machines have the same versions and data, "
            "and continue from the last state with --resume (resume=True)"
        )
    if float(apart):
        _copy_into(tensors, first)


def all_rows(rows: Tensor) -> Tensor:
    """Gather equally many rows of each process."""
    # Channels last, as the nets have them, is a contiguous tensor with its channels at the end.
    own = rows.movedim(1, -1).contiguous()
    every = own.new_empty(processes.count() * len(own), *own.shape[1:])
    with processes.as_processes_error():
        _gather_into(every, own)
    return every.movedim(-1, 1)


def _own_rows(rows: Tensor) -> Tensor:
    size = len(rows) // processes.count()
    return rows[processes.rank() * size :][:size]


def _copy_into(tensors: list[Any], flat: Tensor) -> None:
    parts = torch.split(flat, [tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view(tensor.shape))
