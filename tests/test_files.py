import errno
import json
import signal
import subprocess
import sys

import pytest

from latentgeo.errors import InputError
from latentgeo.files import (
    check_free,
    claim_folder,
    folder_in_place,
    kept,
    write_atomically,
    write_json,
)


def test_a_write_that_fails_leaves_the_old_file_whole(tmp_path):
    target = tmp_path / "a.json"
    write_json(target, {"old": 1})

    def fail(path):
        path.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_atomically(target, fail)
    assert target.read_text() == '{\n  "old": 1\n}\n'
    assert list(tmp_path.iterdir()) == [target]


def test_nan_is_no_json(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_takes_its_place_only_when_it_is_complete(tmp_path):
    target = tmp_path / "out"
    with pytest.raises(RuntimeError, match="half-way"), folder_in_place(target) as folder:
        (folder / "a").write_text("1")
        raise RuntimeError("half-way")
    assert list(tmp_path.iterdir()) == []
    with folder_in_place(target) as folder:
        (folder / "a").write_text("1")
    assert (target / "a").read_text() == "1"


def test_a_folder_that_holds_something_is_refused_and_emptied_only_by_force(tmp_path):
    (tmp_path / "mine").write_text("1")
    with pytest.raises(InputError, match=r"already holds files.*--force"):
        check_free(tmp_path, holds="an analysis")
    claim_folder(tmp_path, holds="an analysis", force=True)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "mine").write_text("1")
    with pytest.raises(InputError, match="is a file"):
        claim_folder(tmp_path / "mine", holds="an analysis", force=True)


@pytest.mark.parametrize("inside", ["", "within/deeper"])
def test_no_folder_takes_what_is_read_with_it_even_by_force(tmp_path, inside):
    source = tmp_path / "out" / inside
    source.mkdir(parents=True)
    with pytest.raises(InputError, match="which is an input; choose another output folder"):
        check_free(tmp_path / "out", holds="x", force=True, reads=("digits", None, str(source)))
    check_free(tmp_path / "out", holds="x", force=True, reads=(tmp_path, "digits", None))


def test_a_replaced_folder_is_moved_away_whole(tmp_path, monkeypatch):
    import latentgeo.files

    target = tmp_path / "out"
    target.mkdir()
    for name in "abc":
        (target / name).write_text("old")
    seen = []
    replace = latentgeo.files.os.replace

    def watched(source, place):
        replace(source, place)
        seen.append(sorted(path.name for path in target.iterdir()) if target.exists() else None)

    monkeypatch.setattr(latentgeo.files.os, "replace", watched)
    with folder_in_place(target) as folder:
        (folder / "new").write_text("1")
    assert seen == [None, ["new"]]
    assert list(tmp_path.iterdir()) == [target]


def test_an_output_is_kept_by_one_at_a_time(tmp_path):
    out = tmp_path / "deep" / "out"
    with kept(out), pytest.raises(InputError, match="another process is writing to"), kept(out):
        pass
    assert list(tmp_path.iterdir()) == []
    with kept(out):
        out.mkdir()
    with kept(out), kept(None), kept(tmp_path / "other"):
        pass
    assert list((tmp_path / "deep").iterdir()) == [out]


_KILLED = """
import os, signal, sys
from pathlib import Path
from latentgeo.files import folder_in_place, kept, write_atomically
out = Path(sys.argv[1])
with kept(out):
    out.mkdir()
    with folder_in_place(out) as folder:
        (folder / "half").write_text("1")
        write_atomically(out / "x.json", lambda path: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_what_a_killed_process_left_is_no_hindrance_and_is_removed(tmp_path):
    out = tmp_path / "out"
    done = subprocess.run([sys.executable, "-c", _KILLED, str(out)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 4  # the output, its lock, and two unfinished folders
    (tmp_path / ".latentgeo-12345678-another-out").mkdir()
    with kept(out):
        check_free(out, holds="x")
    assert {path.name for path in tmp_path.iterdir()} == {"out", ".latentgeo-12345678-another-out"}


def test_names_that_are_not_utf8_are_written(tmp_path):
    write_json(tmp_path / "a.json", {"out": "\udcc3t\udca9"})
    assert json.loads((tmp_path / "a.json").read_bytes()) == {"out": "\udcc3t\udca9"}
