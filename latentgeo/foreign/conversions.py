"""Files of arrays that are not read: what they are, and the line of Python that converts them."""

from pathlib import Path

_HDF5 = b"\x89HDF\r\n\x1a\n"
_UP_TO = 1024  # bytes; MATLAB puts a block of its own before HDF5
_WITH_H5PY = "h5py.File({file!r})['NAME'][:]"
_KINDS = {
    ".h5": ("an HDF5 file", _WITH_H5PY),
    ".hdf5": ("an HDF5 file", _WITH_H5PY),
    ".mat": ("a MATLAB file", "scipy.io.loadmat({file!r})['NAME']"),
    ".pkl": ("a pickle, which would run what it holds", "pickle.load(open({file!r}, 'rb'))"),
    ".pickle": ("a pickle, which would run what it holds", "pickle.load(open({file!r}, 'rb'))"),
    ".joblib": ("a pickle of joblib, which would run what it holds", "joblib.load({file!r})"),
    ".feather": ("a Feather file", "pandas.read_feather({file!r})"),
    ".xlsx": ("an Excel file", "pandas.read_excel({file!r})"),
    ".rds": ("a file of R", "pyreadr.read_r({file!r})[None]"),
    ".dat": ("a file that does not say what it holds", "numpy.fromfile({file!r}, 'float32')"),
    ".raw": ("a file that does not say what it holds", "numpy.fromfile({file!r}, 'float32')"),
}


def describe_conversion(path: Path) -> str | None:
    """Say what a file of arrays is that is not read here, and how to convert it to .npy.

    Parameters
    ----------
    path : pathlib.Path
        The file; its ending says which kind.

    Returns
    -------
    str or None
        None for other kinds.
    """
    suffix = path.suffix.lower()
    if suffix not in _KINDS:
        return None
    what, call = _KINDS[suffix]
    with path.open("rb") as stream:
        start = stream.read(_UP_TO)
    if suffix == ".mat" and _HDF5 in start:
        call = f"{_WITH_H5PY}.T"
    given = call.format(file=str(path))
    shaped = ".reshape(ROWS, -1)" if "fromfile" in call else ""
    trusted = " where you trust it" if "would run" in what else ""
    return (
        f"{what}, and is not read; convert it{trusted}: "
        f"numpy.save({str(path.with_suffix('.npy'))!r}, {given}{shaped})"
    )
