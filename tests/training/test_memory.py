import json
import subprocess
import sys

import pytest

from latentgeo.training import memory
from latentgeo.training.memory import freed_memory_kept

# In a process of its own: a heap in which earlier tests left a gap serves large blocks from there,
# so that how many pages they need depends on the tests before.
MEASURED = """
import json, resource
from pathlib import Path
import torch
from latentgeo.training.memory import freed_memory_kept

MIB = 2**20

def again(times=20):
    for _ in range(times):
        torch.empty(64 * MIB // 4).fill_(1.0)

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    again()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / MIB

again()  # whatever is made once
found = {"outside": faults()}
with freed_memory_kept():
    again(times=1)
    kept, found["within"] = resident(), faults()
found["given back"] = kept - resident()
try:
    with freed_memory_kept():
        again(times=1)
        kept = resident()
        raise KeyError
except KeyError:
    found["given back after an error"] = kept - resident()
held = torch.empty(256 * MIB // 4).fill_(1.0)  # larger than any gap that is left
kept = resident()
del held
found["given back at once later"] = kept - resident()
print(json.dumps(found))
"""
needs_glibc = pytest.mark.skipif(
    memory._settings() is None, reason="kept by glibc's settings alone"
)


@pytest.fixture(scope="module")
def found():
    done = subprocess.run(
        [sys.executable, "-c", MEASURED], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


@needs_glibc
def test_freed_memory_is_used_again_within(found):
    # Not none: what is small may come to lie where a block was, which then goes elsewhere.
    assert found["within"] < found["outside"] / 2


@needs_glibc
def test_freed_memory_is_given_back_after(found):
    assert found["given back"] > 32
    assert found["given back after an error"] > 32
    assert found["given back at once later"] > 128


def test_another_c_library_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(memory, "_settings", lambda: None)
    with freed_memory_kept():
        pass


def test_training_keeps_freed_memory(run, monkeypatch):
    made = []

    def note(name, value):
        made.append((name, value))
        return 1

    monkeypatch.setattr(memory, "_settings", lambda: (note, lambda pad: made.append("given back")))
    run(epochs=1)
    assert made[:2] == [(memory._MMAP_MAX, 0), (memory._TRIM_THRESHOLD, memory._KEPT)]
    assert made[2:] == [*memory._AS_BEFORE, "given back"]
