"""What each member of a batched model draws at random: what it would draw alone."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import dropout
from torch.overrides import TorchFunctionMode

_DRAWS = frozenset({torch.rand, torch.randn, torch.randint, torch.randperm})
_DRAWS_LIKE = frozenset({torch.rand_like, torch.randn_like})

#: What a draw is to look like, of one member (None where shape and dtype say it), to the draw.
_Draw = Callable[[Tensor | None], Tensor]


class RandomState:
    """A row of draws of its own, which begins where torch's global generators stand.

    Parameters
    ----------
    device : torch.device
        Where is drawn, beside the CPU.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._keep()

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Let torch's global generators give this row; where they stood before is forgotten."""
        torch.set_rng_state(self._cpu)
        if self._cuda is not None:
            torch.cuda.set_rng_state(self._cuda, self._device)
        yield
        self._keep()

    def _keep(self) -> None:
        self._cpu = torch.get_rng_state()
        on_gpu = self._device.type == "cuda"
        self._cuda = torch.cuda.get_rng_state(self._device) if on_gpu else None


class MemberDraws(TorchFunctionMode):
    """Within `torch.vmap`, lets each member draw from its own row.

    Draws that it does not know are refused by `torch.vmap`; those from a generator of their own
    are the same for all members.

    Parameters
    ----------
    states : sequence of RandomState
        The row of each member.
    member : torch.Tensor
        A scalar, over which is mapped: it tells that there are several members.
    """

    def __init__(self, states: Sequence[RandomState], member: Tensor) -> None:
        super().__init__()
        self._states = states
        self._member = member

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call a function of torch, if it draws then once for each member."""
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
            for place, state in enumerate(self._states):
                with state.drawing():
                    own = likes if likes is None or dim is None else likes.select(dim, place)
                    drawn.append(draw(own))
            return torch.stack(drawn), 0

        drawn: Tensor = _Drawn.apply(self._member, like, draw_all)  # type: ignore[no-untyped-call]
        return drawn

    def _drop_out(
        self, values: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor:
        if not training:
            return values
        kept = self._draw(lambda ones: dropout(_as_alone(ones), p), torch.ones_like(values))
        return values * kept


class _Drawn(Function):
    """A constant that is made outside of the map over the members."""

    @staticmethod
    def forward(member: Tensor, like: Tensor | None, draw_all: Any) -> Tensor:
        drawn: Tensor = draw_all(like, None)[0]
        return drawn

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def vmap(
        info: Any, in_dims: Any, member: Tensor, like: Tensor | None, draw_all: Any
    ) -> tuple[Tensor, int | None]:
        drawn: tuple[Tensor, int | None] = draw_all(like, in_dims[1])
        return drawn


def _as_alone(values: Tensor | None) -> Tensor:
    """Lay values out as a run alone has them, for draws may follow the memory."""
    assert values is not None
    last = torch.channels_last if values.ndim == 4 else torch.contiguous_format
    return values.contiguous(memory_format=last)
