"""Where a number comes from: versions, machine, command."""

import os
import platform
import re
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# Of an absolute path, alone or after a sign as in NAME=/folder/file, all but the last part.
_FOLDERS = re.compile(r"(?<![^=,:@])/(?:[^=,:@]*/)?(?=[^/])")
_PACKAGES = ("latentgeo", "torch", "numpy", "scipy", "scikit-learn", "xarray", "zarr")


def provenance(**facts: Any) -> dict[str, Any]:
    """Describe the circumstances of a result.

    Parameters
    ----------
    **facts
        What is particular to the result: seed, data's hash, weights' hash, dtype, rank rule.

    Returns
    -------
    dict
        JSON-ready: `created` (UTC, ISO 8601), `command`, `versions`, `machine`, then `facts`.
    """
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join([Path(sys.argv[0]).name, *map(_without_folder, sys.argv[1:])]),
        "versions": {"python": platform.python_version(), **_versions()},
        "machine": machine(),
        **facts,
    }


def machine() -> dict[str, Any]:
    """Describe the machine without naming it: system, architecture, number of cores."""
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
    }


def _without_folder(argument: str) -> str:
    """Cut absolute paths down to their last part: a result does not tell where it was made."""
    return _FOLDERS.sub("", argument)


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # run from a source tree that was never installed
            found[package] = "not installed"
    return found
