"""The command for a machine with a GPU, as small as it can be on a CPU."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.sh"
PARTS = ("card", "tests", "training", "geometry", "seeds", "precision", "characterization", "lines")


def gpu(out, *parts, path=None):
    own = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "OUT": str(out), "PATH": path or own}
    command = ["bash", str(SCRIPT), "--smoke", *parts]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=550
    )


def test_parts_leave_their_tables_and_a_log(tmp_path):
    done = gpu(tmp_path, "card", "geometry")
    assert done.returncode == 0, (tmp_path / "gpu.log").read_text()
    assert re.findall("== (.*): exit 0", done.stdout) == ["card", "geometry"]
    assert "bfloat16" in (tmp_path / "card-cpu.md").read_text()
    assert "spectra and ranks" in (tmp_path / "geometry-cpu.md").read_text()


def test_a_part_that_fails_does_not_stop_the_others(tmp_path):
    # Nothing is found there but what the script itself needs: every part fails.
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "dirname", "mkdir", "tee", "timeout"):
        folder.joinpath(name).symlink_to(
            subprocess.run(
                ["which", name], capture_output=True, text=True, check=True
            ).stdout.strip()
        )
    done = gpu(tmp_path / "out", path=str(folder))
    assert tuple(re.findall("== (.*): exit 127", done.stdout)) == PARTS
    assert done.returncode == len(PARTS)


@pytest.mark.parametrize("smoke", [True, False])
def test_every_part_has_a_command_at_both_scales(smoke):
    text = SCRIPT.read_text()
    first, second = text.split("if $smoke; then")[1].split("\nelse\n")
    assert tuple(re.findall(r"part (\w+) ", first if smoke else second)) == PARTS
