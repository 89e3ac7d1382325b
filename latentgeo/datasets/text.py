"""Any text: a file with one sentence per line, or a folder with a file for each split."""

from collections.abc import Sequence
from pathlib import Path

from latentgeo.datasets.download import RemoteFile, fetch
from latentgeo.datasets.folder import SUFFIXES
from latentgeo.datasets.sentences import LENGTH, SentenceDataset, frequent_words
from latentgeo.datasets.splits import split_of_name
from latentgeo.errors import InputError

# How the names of the files begin: those of multi30k, and what others call them.
_BEGINNINGS = {"train": "train", "validation": "val", "test": "test"}

_MULTI30K = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/tok/"

#: Split → file of English captions, lower-cased and parted into words.
MULTI30K_FILES = {
    "train": RemoteFile(
        "train.lc.norm.tok.en",
        1_837_696,
        "08925f8e0572bcd5a006702fc5fe20e2d77c6917d4eebd576fc20de6693c2119",
        (_MULTI30K,),
    ),
    "validation": RemoteFile(
        "val.lc.norm.tok.en",
        64_608,
        "46573ce391ae227f1c72f873392436a20ef18e0a6d518098cfbd70b77c8572ec",
        (_MULTI30K,),
    ),
    "test": RemoteFile(
        "test_2016_flickr.lc.norm.tok.en",
        63_307,
        "5b7f32627cf99eced828311b955dae9800bb52bc8b91cf8b6526829e605b29d2",
        (_MULTI30K,),
    ),
}


def read_multi30k(folder: Path, split: str, size: int | None) -> SentenceDataset:
    """Read the English captions of multi30k.

    Parameters
    ----------
    folder : pathlib.Path
        Where the three canonical files lie, or are downloaded to.
    split : str
        "train" (29,000), "validation" (1,014) or "test" (1,000, that of 2016).
    size : int or None
        Places of a sentence; 24 if None.

    Returns
    -------
    SentenceDataset
        Its vocabulary is that of the training sentences, whatever the split.
    """
    return _read_split(
        {part: fetch(file, folder) for part, file in MULTI30K_FILES.items()},
        split,
        size,
        "multi30k",
    )


def is_text(path: Path) -> bool:
    """Return whether a path is a text: a file, or a folder of files, one of which is "train…".

    Images are told from texts by the ending of the name; a folder that has subfolders is one of
    images, for lists of names may lie beside them.
    """
    if path.is_dir():
        shown = [member for member in path.iterdir() if not member.name.startswith(".")]
        return bool(_candidates(path, "train")) and all(map(_may_be_text, shown))
    return _may_be_text(path)


def _may_be_text(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() not in SUFFIXES


def read_text(path: Path, split: str, size: int | None) -> SentenceDataset:
    """Read the sentences of a split, one per line.

    Of a file, each line belongs to "train" (8 of 10), "validation" or "test" by a hash of its
    words, so it keeps its split when others come or go, and a line that is there twice is in one
    split. A folder holds a file for each split, whose names begin with train, val and test.

    Parameters
    ----------
    path : pathlib.Path
        The file or the folder; UTF-8, words with spaces between them.
    split : str
        "train", "validation" or "test".
    size : int or None
        Places of a sentence; 24 if None.

    Returns
    -------
    SentenceDataset
        In the order of the lines. The vocabulary is that of the training sentences, whatever the
        split.

    Raises
    ------
    InputError
        When a file cannot be read, is not UTF-8, holds an empty line, or a split is empty.
    """
    name = path.resolve().name
    if path.is_dir():
        files = {part: _file_of(path, part) for part in _BEGINNINGS}
        return _read_split(files, split, size, name)
    return _read_lines(path, split, size, name)


def _read_split(files: dict[str, Path], split: str, size: int | None, name: str) -> SentenceDataset:
    return _dataset(_lines(files["train"]), _lines(files[split]), split, size, name)


def _read_lines(path: Path, split: str, size: int | None, name: str) -> SentenceDataset:
    lines = _lines(path)
    parts: dict[str, list[str]] = {part: [] for part in _BEGINNINGS}
    for line in lines:
        parts[split_of_name(" ".join(line.split()))].append(line)
    if not (parts["train"] and parts[split]):
        parted = ", ".join(f"{part} {len(held)}" for part, held in parts.items())
        raise InputError(
            f"split {split!r} of text {str(path)!r} is empty ({parted}): a hash of each line "
            "splits them; add lines, or give a folder with the files train.txt, val.txt, test.txt"
        )
    return _dataset(parts["train"], parts[split], split, size, name)


def _dataset(
    train: Sequence[str], lines: Sequence[str], split: str, size: int | None, name: str
) -> SentenceDataset:
    return SentenceDataset.from_sentences(
        lines,
        vocabulary=frequent_words(line.split() for line in train),
        length=LENGTH if size is None else size,
        name=name,
        split=split,
    )


def _candidates(folder: Path, beginning: str) -> list[Path]:
    return sorted(
        path for path in folder.iterdir() if path.name.startswith(beginning) and _may_be_text(path)
    )


def _file_of(folder: Path, split: str) -> Path:
    found = _candidates(folder, _BEGINNINGS[split])
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise InputError(
            f"folder {str(folder)!r} has {len(found)} files whose name begins with "
            f"{_BEGINNINGS[split]!r} ({names}): expected one text for each split, as in train.txt, "
            "val.txt, test.txt"
        )
    return found[0]


def _lines(path: Path) -> list[str]:
    """Read the lines of a text; an empty one is an error, for it may hide a shift of the rest."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise InputError(
            f"text {str(path)!r} is not UTF-8: line {line} holds the byte "
            f"0x{error.object[error.start]:02x}; convert it (iconv -t utf-8)"
        ) from None
    except OSError as error:
        raise InputError(f"text {str(path)!r} cannot be read: {error.strerror}") from error
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    if not text.strip():
        raise InputError(f"text {str(path)!r} is empty: expected one sentence per line")
    empty = next((number for number, line in enumerate(lines, 1) if not line.strip()), None)
    if empty is not None:
        raise InputError(
            f"line {empty} of text {str(path)!r} is empty: expected one sentence per line; "
            "remove the line"
        )
    return lines
