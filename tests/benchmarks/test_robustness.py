"""A small sample of what `benchmarks/robustness.py` counts."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SAMPLE = ["--only", "interruptions", "two", "--commands", "encode", "--trials", "1"]


def test_killed_full_and_doubled_commands_come_to_the_same_result():
    root = str(BENCHMARKS.parent)
    command = [sys.executable, str(BENCHMARKS / "robustness.py"), *SAMPLE]
    done = subprocess.run(
        [*command, "--faults", "SIGKILL", "SIGTERM", "ENOSPC"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": 1 of 1") == 3
    assert "a second process with the same output; `encode`: 2 of 2" in done.stdout


@pytest.fixture(scope="module")
def robustness(load_benchmark):
    return load_benchmark("robustness")


def test_the_table_counts_what_did_not_hold(robustness):
    rows = [robustness.Row("a", "b", 3, ["c"]), robustness.Row("d", "e", 2, [])]
    assert robustness.table(rows).splitlines()[2:] == [
        "| a | b | 3 | 2 |",
        "| d | e | 2 | 2 |",
        "| **all** | | **5** | **4** |",
    ]


def test_licences_are_listed_of_all_that_is_needed(load_benchmark):
    page = load_benchmark("licences").page()
    for name in ("torch", "numcodecs", "zarr", "pydantic-core", "filelock"):
        assert f"| {name} | " in page
    assert "pytest" not in page
    assert "not said" not in page


@pytest.fixture(scope="module")
def load(load_benchmark):
    return load_benchmark("load")


class TestLoad:
    @pytest.mark.parametrize(
        ("code", "lines", "told", "reason"),
        [
            (0, [], None, ""),
            (2, ["latentgeo: no"], None, ""),
            (0, [], 1.19e9, ""),
            (0, [], 1.3e9, "took 0.93 GiB and had told 1.21"),
            (0, [], 0.7e9, "took 0.93 GiB and had told 0.65"),
            (0, ["a library's line"], None, "ended with 0"),
            (2, [], None, "ended with 2"),
            (1, ["Traceback"], None, "ended with 1"),
            (-9, [], None, "ended with -9"),
        ],
    )
    def test_what_holds(self, load, code, lines, told, reason):
        found = load.Ended(code, lines, told, 10**9).reason
        assert found.startswith(reason)
        assert bool(found) == bool(reason)

    def test_a_command_without_a_home_and_a_language(self, load, tmp_path):
        lacks = {"HOME": None, "LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0"}
        arguments = ["info", str(tmp_path / "größer")]
        found = load.run(arguments, tmp_path, changes=lacks)
        assert (found.code, len(found.lines), found.told, found.reason) == (2, 1, None, "")
        assert found.took > 10**7


def test_ci_knows_the_hash_of_a_file_of_every_version():
    def versions(path):
        lines = (BENCHMARKS.parent / path).read_text().splitlines()
        words = [line.split() for line in lines if not line.startswith("#")]
        return {word[0].lower().replace("_", "-").replace(".", "-"): word[1:] for word in words}

    hashed = versions(".ci/hashes.txt")
    assert hashed.keys() == versions("constraints.txt").keys()
    for found in hashed.values():
        assert len(found) == 1
        assert re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", found[0])
