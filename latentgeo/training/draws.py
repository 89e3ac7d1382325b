"""What runs draw at random; each of several at once what it would draw alone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Generator, Tensor
from torch.autograd import Function
from torch.nn.functional import dropout
from torch.overrides import TorchFunctionMode

_DRAWS = frozenset({torch.rand, torch.randn, torch.randint, torch.randperm})
_DRAWS_LIKE = frozenset({torch.rand_like, torch.randn_like})

#: What a draw is to look like, of one run (None where shape and dtype say it), to the draw.
_Draw = Callable[[Tensor | None], Tensor]


def forked(device: torch.device) -> AbstractContextManager[Any]:
    """Return a context that leaves torch's global random states as they were.

    Parameters
    ----------
    device : torch.device
        The device whose generator is restored along with the CPU's.

    Returns
    -------
    context manager
        The context.
    """
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    return torch.random.fork_rng(devices=devices)


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Return the states of torch's global generators, of the CPU and of the device."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def set_random_state(state: Mapping[str, Tensor], device: torch.device) -> None:
    """Restore states of torch's global generators that `random_state` returned."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)


class OwnDraws:
    """A sequence of draws of its own, which begins where torch's global generators stand.

    Parameters
    ----------
    device : torch.device
        Where is drawn, beside the CPU.

    Attributes
    ----------
    generator : torch.Generator or None
        Draws on the device, where that is a GPU: what records a step has to know it.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._cpu = torch.get_rng_state()
        self.generator: Generator | None = None
        if device.type == "cuda":
            self.generator = torch.Generator(device)
            self.generator.set_state(torch.cuda.get_rng_state(device))

    def copied(self) -> "OwnDraws":
        """Return a sequence of the same draws."""
        with self.drawing():
            return OwnDraws(self._device)

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Make torch's global draws those of this sequence; those of the CPU are discarded."""
        torch.set_rng_state(self._cpu)
        with self._drawing_on_device():
            yield
        self._cpu = torch.get_rng_state()

    @contextmanager
    def _drawing_on_device(self) -> Iterator[None]:
        if self.generator is None:
            yield
            return
        # The states are swapped, not copied: so a recorded step moves on the right one.
        shared = torch.cuda.default_generators[torch.device(self._device).index or 0]
        before = shared.graphsafe_get_state()
        shared.graphsafe_set_state(self.generator.graphsafe_get_state())
        try:
            yield
        finally:
            shared.graphsafe_set_state(before)


class StackedDraws(TorchFunctionMode):
    """Within `torch.vmap`, lets each run draw from its own sequence.

    Draws that it does not know are refused by `torch.vmap`; those from a generator of their own
    are the same for all runs.

    Parameters
    ----------
    draws : sequence of OwnDraws
        The sequence of each run.
    index : torch.Tensor
        The index of a run, over which is mapped: it tells that there are several.
    """

    def __init__(self, draws: Sequence[OwnDraws], index: Tensor) -> None:
        super().__init__()
        self._draws = draws
        self._index = index

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call a function of torch, if it draws then once for each run."""
        named = kwargs or {}
        if func in _DRAWS:
            shared = named.get("generator") is not None
            return self._draw(lambda like: func(*args, **named), shared=shared)
        if func in _DRAWS_LIKE:
            return self._draw(lambda like: func(like, *args[1:], **named), args[0].detach())
        if func is dropout:
            return self._drop_out(*args, **named)
        return func(*args, **named)

    def _draw(self, draw: _Draw, like: Tensor | None = None, *, shared: bool = False) -> Tensor:
        def draw_all(likes: Tensor | None, dim: int | None) -> tuple[Tensor, int | None]:
            if shared:
                return draw(likes), None
            drawn = []
            for index, own_draws in enumerate(self._draws):
                with own_draws.drawing():
                    own = likes if likes is None or dim is None else likes.select(dim, index)
                    drawn.append(draw(own))
            return torch.stack(drawn), 0

        drawn: Tensor = _Drawn.apply(self._index, like, draw_all)  # type: ignore[no-untyped-call]
        return drawn

    def _drop_out(
        self, values: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor:
        if not training:
            return values
        kept = self._draw(lambda ones: dropout(_as_alone(ones), p), torch.ones_like(values))
        return values * kept


class _Drawn(Function):
    """A constant that is made outside of the map over the runs."""

    @staticmethod
    def forward(index: Tensor, like: Tensor | None, draw_all: Any) -> Tensor:
        drawn: Tensor = draw_all(like, None)[0]
        return drawn

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def vmap(
        info: Any, in_dims: Any, index: Tensor, like: Tensor | None, draw_all: Any
    ) -> tuple[Tensor, int | None]:
        drawn: tuple[Tensor, int | None] = draw_all(like, in_dims[1])
        return drawn


def _as_alone(values: Tensor | None) -> Tensor:
    """Lay values out as a run alone has them, for draws may follow the memory."""
    assert values is not None
    last = torch.channels_last if values.ndim == 4 else torch.contiguous_format
    return values.contiguous(memory_format=last)
