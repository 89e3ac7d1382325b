import resource
from pathlib import Path

import pytest
import torch

from latentgeo.training import memory
from latentgeo.training.memory import freed_memory_kept

MIB = 2**20
needs_glibc = pytest.mark.skipif(memory._settings() is None, reason="another C library")


def fill(mib, times=1):
    for _ in range(times):
        torch.empty(mib * MIB // 4).fill_(1.0)


def faults(work):
    """Count the pages that the system has to give to the process meanwhile."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    work()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@needs_glibc
def test_freed_memory_is_used_again_within_and_given_back_after():
    def again():
        fill(64, times=5)

    again()  # whatever is made once
    outside = faults(again)
    with freed_memory_kept():
        fill(64)
        before, within = resident(), faults(again)
    assert within < outside / 10
    assert before - resident() > 32 * MIB
    assert faults(again) > outside / 2


@needs_glibc
def test_memory_is_given_back_after_an_error():
    with pytest.raises(KeyError), freed_memory_kept():
        fill(64)
        before = resident()
        raise KeyError
    assert before - resident() > 32 * MIB


def test_another_c_library_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(memory, "_settings", lambda: None)
    with freed_memory_kept():
        fill(1)


def test_training_keeps_freed_memory(run, monkeypatch):
    made = []

    def note(name, value):
        made.append((name, value))
        return 1

    monkeypatch.setattr(memory, "_settings", lambda: (note, lambda pad: made.append("given back")))
    run(epochs=1)
    assert made[:2] == [(memory._MMAP_MAX, 0), (memory._TRIM_THRESHOLD, memory._KEPT)]
    assert made[2:] == [*memory._AS_BEFORE, "given back"]
