"""Archives that hold a program (torch.export, TorchScript), checked before PyTorch opens them."""

from pathlib import Path

from latentgeo.checkpoints._zip import check_zip
from latentgeo.checkpoints.kinds import existing_file

MAX_BYTES = 32 << 30


def check_export_archive(path: str | Path, max_bytes: int = MAX_BYTES) -> None:
    """Check a torch.export archive (.pt2)."""
    check_zip(existing_file(path), max_bytes)


def check_torchscript(path: str | Path, max_bytes: int = MAX_BYTES) -> None:
    """Check a TorchScript archive."""
    check_zip(existing_file(path), max_bytes, deflated=True)
