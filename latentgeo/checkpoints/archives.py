"""Networks that bring their own program: torch.export archives and TorchScript."""

from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from latentgeo.checkpoints import consent
from latentgeo.checkpoints.card import Card
from latentgeo.checkpoints.source import Source
from latentgeo.checkpoints.untrusted import Program, read_untrusted
from latentgeo.errors import InputError, reason_of
from latentgeo.files import sha256_of_file


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


def open_archive(program: Program, card: Card) -> Source:
    """Open an archive, or two: an encoder and the decoder that the card names. THEIR CODE RUNS.

    Parameters
    ----------
    program : Program
        A `.pt2` file of `torch.export`, or TorchScript.
    card : Card
        Names the decoder's file where there is one, and says whether the user consents.

    Returns
    -------
    Source
        An exported program runs as a whole: it is its own encoder.

    Raises
    ------
    InputError
        When the user has not consented to run the program as it is now, or the archive is broken
        or of another version of torch.
    """
    programs = [program]
    if card.decoder is not None:
        programs.append(_as_program(program.path.parent / card.decoder))
    for found in programs:  # all of them, before the first one runs
        _check_consent(found, trusted=card.trust_code)
    net, *decoders = (_LOADERS[found.kind](found.path) for found in programs)
    whole = program.kind == "torch-export" or (bool(decoders) and not hasattr(net, "encode"))
    known = Card(encode="forward") if whole else Card()
    files = tuple(found.path for found in programs)
    decoder = decoders[0] if decoders else None
    return Source(program.kind, net, known, files, decoder=decoder)


def _as_program(path: Path) -> Program:
    found = read_untrusted(path)
    if not isinstance(found, Program):
        raise InputError(f"{str(path)!r} is no torch.export archive and no TorchScript")
    return found


def _check_consent(program: Program, *, trusted: bool) -> None:
    what, content = f"program {program.path.resolve()}", sha256_of_file(program.path)
    if trusted:
        consent.allow(what, content)
    elif not consent.is_allowed(what, content):
        raise InputError(
            f"{str(program.path)!r} is {_NAMES[program.kind]}: a program, which runs when it is "
            "opened and can read and write whatever you can; nothing of it was run. If you trust "
            "where it comes from, pass --trust-code once (trust_code=True), or give the network by "
            "its code (--model) and its weights as safetensors"
        )


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
        f"{reason_of(error)}; export it again with this version"
    )


_NAMES = {"torchscript": "a TorchScript archive", "torch-export": "a torch.export archive"}
_LOADERS = {"torchscript": _load_torchscript, "torch-export": _load_export}
