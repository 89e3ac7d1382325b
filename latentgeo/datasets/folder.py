"""Any folder of images."""

import os
import warnings
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentgeo.datasets.decoding import Head, decode, in_parallel, pixels_of, read_head
from latentgeo.datasets.sources import Found, ImageSource, check_memory
from latentgeo.datasets.splits import Labels, split_named
from latentgeo.errors import InputError

SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png"}
    | {".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"}
)

# What lies beside images and needs no word.
_COMPANIONS = frozenset(
    {".csv", ".db", ".html", ".ini", ".json", ".jsonl", ".log", ".md", ".mat", ".npy", ".npz"}
    | {".parquet", ".pdf", ".py", ".sha256", ".tsv", ".txt", ".xml", ".yaml", ".yml"}
)
_DEEPEST = 8  # folders within folders; a link may lead in a circle
_NAMELESS = frozenset({"license", "licence", "readme", "makefile", "dockerfile", "checksums"})


class _Member(NamedTuple):
    """An image file: where it lies, and what its place says of it."""

    path: PurePosixPath
    split: str | None
    class_name: str | None


class _Format(NamedTuple):
    """What all images of a folder are made: (height, width), and Pillow's mode."""

    shape: tuple[int, int]
    mode: str


def folder_source(folder: Path, *, skip_unreadable: bool = False) -> ImageSource:
    """Find all images below a folder.

    Subfolders are classes, links to folders among them. A folder that has `train` and `val` or
    `test` of its own is taken as it is parted, however they are spelled ("validation", "Testing");
    they may lie in the only subfolder.

    Parameters
    ----------
    folder : pathlib.Path
        The folder; it is searched through all levels. Hidden files are left out.
    skip_unreadable : bool, default=False
        Leave out files that cannot be read as images, and list them.

    Returns
    -------
    ImageSource
        In the order of their paths. Images are uint8, upright as EXIF tells, of one channel when
        all images of the folder are grey and else of three; transparency is dropped. A size takes
        the central square; without one, all must have one size. Labels are the places of their
        subfolders, sorted, where every image of what is read lies in one.

    Raises
    ------
    InputError
        When there is no image, or one cannot be read.
    """
    members = _members(folder)
    heads, skipped = _heads(folder, members, skip=skip_unreadable)
    members = [member for member, head in zip(members, heads, strict=True) if head is not None]
    known = [head for head in heads if head is not None]
    if not members:
        raise InputError(f"none of the files of folder {str(folder)!r} can be read as an image")
    _say_notes(folder, known)
    return ImageSource(
        shown(folder.resolve().name),
        len(members),
        partial(_read, folder, members, known, skipped if skip_unreadable else None),
        parts=_parts(members),
        keys=[member.path.as_posix() for member in members],
        skipped=skipped,
    )


def shown(name: str) -> str:
    r"""Return a file's name as text that can be written anywhere: bytes beyond UTF-8 as \\x.."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _members(folder: Path) -> list[_Member]:
    paths, others = _image_paths(folder)
    if not paths:
        raise InputError(
            f"folder {str(folder)!r} holds no images: expected files that end in "
            f"{', '.join(sorted(SUFFIXES))}"
        )
    if others:
        endings = ", ".join(f"{suffix} {number}" for suffix, number in sorted(others.items()))
        warnings.warn(
            f"{shown(folder.name)}: {sum(others.values())} files are left out, which are no "
            f"images by the ending of their names ({endings})",
            stacklevel=4,
        )
    top, is_parted = _top(folder)
    inside = [path for path in paths if path.parts[: len(top)] == top]
    below = {path: path.parts[len(top) :] for path in inside}
    if not is_parted:
        return [_Member(path, None, _class_name(parts)) for path, parts in below.items()]
    parted = [
        _Member(path, split, _class_name(parts[1:]))
        for path, parts in below.items()
        if len(parts) > 1 and (split := split_named(parts[0])) is not None
    ]
    if len(parted) < len(paths):
        warnings.warn(
            f"{shown(folder.name)}: {len(paths) - len(parted)} images are left out, which lie "
            "outside of the folders of its splits",
            stacklevel=4,
        )
    return parted


def _top(folder: Path) -> tuple[tuple[str, ...], bool]:
    """Return the folder where classes or splits begin, and whether it has splits.

    Others wrap a data set into a folder, and that into another: as long as a folder holds nothing
    but another one, that one is looked at.
    """
    place: tuple[str, ...] = ()
    while True:
        shown_here = [path for path in folder.joinpath(*place).iterdir() if path.name[0] != "."]
        names = [path.name for path in shown_here if path.is_dir()]
        splits = {split_named(name) for name in names} - {None}
        if "train" in splits and len(splits) > 1:
            return place, True
        images = any(path.suffix.lower() in SUFFIXES for path in shown_here if path.is_file())
        if len(names) != 1 or images or len(place) > _DEEPEST:
            return place, False
        place = (*place, names[0])


def _class_name(parts: tuple[str, ...]) -> str | None:
    return shown(parts[0]) if len(parts) > 1 else None


def _image_paths(folder: Path) -> tuple[list[PurePosixPath], Counter[str]]:
    """Return the images below a folder, and how many files of other endings there are."""
    found: list[PurePosixPath] = []
    others: Counter[str] = Counter()
    for path in _walk(folder, PurePosixPath(), frozenset()):
        suffix = path.suffix.lower()
        if suffix in SUFFIXES:
            found.append(path)
        elif suffix not in _COMPANIONS and path.name.lower() not in _NAMELESS:
            others[shown(suffix) or "none"] += 1
    return sorted(found), others


def _walk(
    folder: Path, below: PurePosixPath, above: frozenset[tuple[int, int]]
) -> Iterator[PurePosixPath]:
    """Return all files that are not hidden; links are followed, but not in a circle."""
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    for entry in os.scandir(folder):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(folder / entry.name, below / entry.name, above | {here})
        else:
            yield below / entry.name


def _parts(members: list[_Member]) -> dict[str, NDArray[np.int64]] | None:
    splits = np.array([member.split or "" for member in members])
    if members[0].split is None:
        return None
    return {str(split): np.flatnonzero(splits == split) for split in np.unique(splits)}


def _heads(
    folder: Path, members: list[_Member], *, skip: bool
) -> tuple[list[Head | None], list[str]]:
    """Return what each file says of its image; None and its name where it cannot be read."""
    heads: list[Head | None] = [None] * len(members)

    def look(position: int) -> None:
        path = folder / members[position].path
        name = shown(str(path))
        try:
            heads[position] = decode(path, name, lambda image: read_head(image, name))
        except InputError:
            if not skip:
                raise

    in_parallel(look, len(members), "looking through")
    missing = [m for m, head in zip(members, heads, strict=True) if head is None]
    return heads, [shown(member.path.as_posix()) for member in missing]


def _say_notes(folder: Path, heads: list[Head]) -> None:
    """Warn, once for each, of what files hold beyond an image."""
    for note, number in Counter(note for head in heads for note in head.notes).items():
        warnings.warn(f"{shown(folder.name)}: {number} files {note}", stacklevel=4)


def _read(
    folder: Path,
    members: list[_Member],
    heads: list[Head],
    skipped: list[str] | None,
    positions: NDArray[np.int64],
    size: int | None,
) -> Found:
    shape, mode = _format(folder, members, heads, size)
    chosen = [members[position] for position in positions]
    name = shown(folder.name)
    check_memory(len(chosen), (Image.getmodebands(mode), *shape), name)
    images = np.empty((len(chosen), Image.getmodebands(mode), *shape), np.uint8)
    kept = np.ones(len(chosen), dtype=bool)

    def fill(position: int) -> None:
        path = folder / chosen[position].path
        try:
            images[position] = decode(
                path, shown(str(path)), lambda image: pixels_of(image, shape, mode)
            )
        except InputError:
            if skipped is None:
                raise
            kept[position] = False

    in_parallel(fill, len(chosen), name)
    if not kept.all() and skipped is not None:
        lost = [member for member, good in zip(chosen, kept, strict=True) if not good]
        skipped += [shown(member.path.as_posix()) for member in lost]
        chosen = [member for member, good in zip(chosen, kept, strict=True) if good]
        images = images[kept]
    labels, class_names = _classes(chosen, members)
    files = tuple(shown(member.path.as_posix()) for member in chosen)
    return Found(images, labels, class_names, files, kept)


def _format(folder: Path, members: list[_Member], heads: list[Head], size: int | None) -> _Format:
    """Find the one format for all images of the folder, whatever the split."""
    mode = "L" if all(head.grey for head in heads) else "RGB"
    if size is not None:
        return _Format((size, size), mode)
    for member, head in zip(members, heads, strict=True):
        if head[:2] != heads[0][:2]:
            raise InputError(
                f"images of folder {str(folder)!r} differ in size: {str(members[0].path)!r} has "
                f"{heads[0].width} by {heads[0].height} pixels, {str(member.path)!r} "
                f"{head.width} by {head.height}; give a size to resize them to (such as size=32)"
            )
    return _Format((heads[0].height, heads[0].width), mode)


def _classes(chosen: list[_Member], members: list[_Member]) -> tuple[Labels, tuple[str, ...]]:
    if any(member.class_name is None for member in chosen):
        return None, ()
    classes = tuple(sorted({member.class_name for member in members if member.class_name}))
    position = {name: place for place, name in enumerate(classes)}
    return np.array([position[str(member.class_name)] for member in chosen], np.int64), classes
