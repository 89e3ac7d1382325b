"""What is found in the place of a file that was not fetched."""

from pathlib import Path

_LFS = b"version https://git-lfs"
_START = 64


def describe_stand_in(path: Path) -> str | None:
    """Say what lies in the place of a file, and what to do; None where it may be the file."""
    with path.open("rb") as stream:
        start = stream.read(_START)
    if start.startswith(_LFS):
        return "a Git LFS pointer; fetch the file itself with `git lfs pull`"
    if start.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "a web page, probably an error message in place of the file; download it again"
    return None
