"""List the packages that an installation needs, with their licences, as a page in Markdown.

python benchmarks/licences.py docs/licences.md

Walks from latentgeo's own requirements, extras left out, through what is installed here.
"""

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement


def needed(name: str) -> dict[str, Distribution]:
    """Return the distributions that one needs, by name, without itself."""
    found: dict[str, Distribution] = {}
    left = [name]
    while left:
        for text in distribution(left.pop()).requires or []:
            requirement = Requirement(text)
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
                continue
            key = re.sub(r"[-_.]+", "-", requirement.name).lower()
            if key in found:
                continue
            try:
                found[key] = distribution(key)
            except PackageNotFoundError:
                continue  # for another system
            left.append(key)
    return dict(sorted(found.items()))


def licence(package: Distribution) -> str:
    """Return what a distribution says of its licence, in a few words."""
    about = package.metadata
    classified = [
        value.rpartition(" :: ")[2]
        for value in about.get_all("Classifier") or []
        if value.startswith("License ::")
    ]
    written = (about.get("License") or "").strip().splitlines()
    said = about.get("License-Expression") or ", ".join(classified) or "".join(written[:1])
    return said.replace("|", "/") or "not said"


def page() -> str:
    """Return the page."""
    rows = [
        f"| {name} | {package.version} | {licence(package)} |"
        for name, package in needed("latentgeo").items()
    ]
    head = (
        "# Licences of what latentgeo needs",
        "",
        "As the packages themselves say, without the extras (`python benchmarks/licences.py`).",
        "",
        "| package | version | licence |",
        "|---|---|---|",
    )
    return "\n".join([*head, *rows, ""])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
