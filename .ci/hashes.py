"""Write which files CI installs, from the versions in constraints.txt.

    python .ci/hashes.py

pip itself says which file of each version it would take on this system, and its SHA-256. CI runs on
Linux, x86_64, Python 3.11 and the CPU build of torch, so run this there.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
VERSIONS = HERE.parent / "constraints.txt"
HASHES = HERE / "hashes.txt"
HEAD = """\
# The files that CI installs, made from constraints.txt: python .ci/hashes.py
# Linux, x86_64, Python 3.11; torch in its CPU build.
"""


def lines(report: Path) -> list[str]:
    """Return a requirement with its hash for each file of pip's report."""
    rows = []
    for one in json.loads(report.read_text(encoding="utf-8"))["install"]:
        about, file = one["metadata"], one["download_info"]["archive_info"]
        version = about["version"].partition("+")[0]
        rows.append(f"{about['name']}=={version} --hash=sha256:{file['hashes']['sha256']}\n")
    return sorted(rows, key=str.lower)


def main() -> None:
    """Ask pip, and write the file."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--no-deps"]
        command += ["--ignore-installed", "--only-binary", ":all:", "--report", str(report)]
        subprocess.run([*command, "-r", str(VERSIONS)], check=True)
        HASHES.write_text(HEAD + "".join(lines(report)), encoding="utf-8")


if __name__ == "__main__":
    main()
