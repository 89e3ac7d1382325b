"""Networks that bring their own program: torch.export archives and TorchScript."""

from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from latentgeo.checkpoints.card import Card
from latentgeo.checkpoints.kinds import kind_of
from latentgeo.checkpoints.programs import check_export_archive, check_torchscript
from latentgeo.checkpoints.source import Source
from latentgeo.errors import InputError, reason_of

KINDS = ("torch-export", "torchscript")


class _Exported(nn.Module):
    """An exported program; it has one mode, and raises when it is asked to change it."""

    def __init__(self, program: nn.Module) -> None:
        super().__init__()
        self.program = program

    def train(self, mode: bool = True) -> Self:
        """Leave the mode as it is."""
        return self

    def forward(self, values: Tensor) -> Any:
        """Run the program."""
        return self.program(values)


def open_archive(path: Path, card: Card) -> Source:
    """Open an archive, or two: an encoder and the decoder that the card names.

    Parameters
    ----------
    path : pathlib.Path
        A `.pt2` file of `torch.export`, or TorchScript.
    card : Card
        Names the decoder's file where there is one.

    Returns
    -------
    Source
        An exported program runs as a whole: it is its own encoder.

    Raises
    ------
    InputError
        When the archive is unsafe, broken, or of another version of torch.
    """
    kind, net = _open(path)
    files: tuple[Path, ...] = (path,)
    decoder = None
    if card.decoder is not None:
        decoder = _open(path.parent / card.decoder)[1]
        files = (path, path.parent / card.decoder)
    whole = kind == "torch-export" or (decoder is not None and not hasattr(net, "encode"))
    known = Card(encode="forward") if whole else Card()
    return Source(kind, net, known, files, decoder=decoder)


def _open(path: Path) -> tuple[str, nn.Module]:
    kind = kind_of(path)
    if kind == "torch-export":
        check_export_archive(path)
        return kind, _load_export(path)
    if kind == "torchscript":
        check_torchscript(path)
        return kind, _load_torchscript(path)
    raise InputError(f"{str(path)!r} is no torch.export archive and no TorchScript")


def _load_export(path: Path) -> nn.Module:
    try:
        return _Exported(torch.export.load(path).module())
    except Exception as error:  # an archive of another version fails in many ways
        raise _unreadable(path, "torch.export archive", error) from error


def _load_torchscript(path: Path) -> nn.Module:
    try:
        module: nn.Module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    except Exception as error:
        raise _unreadable(path, "TorchScript archive", error) from error
    return module


def _unreadable(path: Path, what: str, error: Exception) -> InputError:
    return InputError(
        f"{str(path)!r} is a {what} that torch {torch.__version__} cannot read: "
        f"{reason_of(error)}; write it anew with this version"
    )
