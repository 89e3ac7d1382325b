"""What two processes do together, for `torchrun`: work_of_two.py RUN FOLDER.

Each leaves a report of what it met.
"""

import json
import sys
from functools import partial
from pathlib import Path

from latentgeo import encode, processes
from latentgeo.cli import main as latentgeo
from latentgeo.errors import InputError


def main(run, folder):
    processes.join()
    report = {
        "rank": processes.rank(),
        "order": processes.do_all([partial(int, number) for number in range(5)]),
        "once": message_of(lambda: processes.on_rank_zero(refuse)),
        "do_all": message_of(lambda: processes.do_all([int, refuse, int])),
        "do_own": message_of(lambda: processes.do_own(refuse_second)),
        "check_same": message_of(lambda: processes.check_same(processes.rank(), "data")),
        "check_seen": message_of(lambda: processes.check_visible(Here("here"), "share one")),
    }
    with processes.shared_folder("test-") as shared:
        report["folder"] = str(shared)
        (shared / str(processes.rank())).touch()
        processes.wait()
        report["seen"] = sorted(path.name for path in shared.iterdir())
    encode(run, "digits", samples=10, batch_size=3, noise=(0, 0.2), out=folder / "latents")
    (folder / f"process-{processes.rank()}.json").write_text(json.dumps(report))
    command = ["analyze", run, "--data", "digits", "--out", folder / "analysis"]
    latentgeo([*map(str, command), "--noise", "0,0.1,0.3", "--samples", "16", "--quiet"])


class Here(type(Path())):
    """A folder that the first process has, and no other."""

    def is_dir(self):
        return processes.is_rank_zero()


def refuse():
    raise InputError(f"refused in process {processes.rank()}")


def refuse_second():
    if processes.rank() == 1:
        refuse()


def message_of(do):
    try:
        do()
    except InputError as error:
        return str(error)
    return None


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
