"""Trainings for `torchrun`, and their settings, which the tests give to one process too.

torchrun ... runs_of_two.py FOLDER train|killed|resumed
"""

import atexit
import json
import os
import signal
import sys
import warnings
from pathlib import Path

from latentgeo.datasets import load
from latentgeo.training import train
from latentgeo.training.sharded import _Rows
from latentgeo.training.step import Step

# 40 images to train on: batches of 9, which cannot be halved, and one of 4; 4 to validate on.
COMMON = {
    "batch_size": 9,
    "epochs": 2,
    "checkpoint_steps": 3,
    "device": "cpu",
    "progress": False,
}
SCTC = {"backbone": "sctc", "options": {"widths": (2, 3, 4)}}
SMALL = {"hidden": (16,), "latent_dim": 4}
D = {"discriminator": (8,)}
CRITIC = {"critic_depth": 2, "depth": 2, "latent_channels": 3}

RUNS = {
    "cae": {**SCTC, "probe": True, "gradient_clip": 1.0},
    "vae": SCTC,
    "wae-mmd": {"backbone": "mlp", "options": {**SMALL, "pretrain_steps": 3}},
    "wae-gan": {
        "backbone": "wae",
        "options": {"channels": (4, 6), "doublings": 1, "pretrain_steps": 0, **D},
    },
    "aae": {
        "backbone": "mlp",
        "options": {**SMALL, **D, "variant": "semi-supervised", "labels": 10, "latent_dim": 14},
    },
    "acai": {"backbone": "acai", "options": CRITIC},
    "vq-vae": {"backbone": "mlp", "options": {**SMALL, "codes": 2, "codebook_size": 8}},
}
KILLED_AT = 7


def settings(recipe):
    return {"data": load("digits", "train").take(44, seed=0), **COMMON, **RUNS[recipe]}


def main(folder, what):
    if what == "train":
        # Called last, for it is the first to be asked for.
        atexit.register(note_threads, folder / f"threads-{os.environ['RANK']}.json")
        rows = watch_rows()
        epochs, images = [], load("digits", "validation").batch(slice(0, 5))
        for recipe in RUNS:
            train(
                recipe,
                out=folder / recipe,
                on_epoch=lambda model, epoch: epochs.append(len(model.encode(images))),
                **settings(recipe),
            )
        report = {"rows": sorted(rows), "epochs": epochs}
        (folder / f"process-{os.environ['RANK']}.json").write_text(json.dumps(report))
        train("vae", out=folder / "taken over", resume=True, **settings("vae"))
    elif what == "killed":
        kill_at(KILLED_AT)
        train("vae", out=folder / "killed", **settings("vae"))
    else:
        train("vae", out=folder / "killed", resume=True, **settings("vae"))


def note_threads(path):
    """Note which threads run, where the system can say."""
    names = [task.read_text().strip() for task in Path("/proc/self/task").glob("*/comm")]
    path.write_text(json.dumps(names))


def watch_rows():
    """Note how many rows go through a net at once."""
    gather, seen = _Rows.gather, set()

    def noted(self, net, inputs, output):
        seen.add(len(output))
        return gather(self, net, inputs, output)

    _Rows.gather = noted
    return seen


def kill_at(step):
    """Make the second process die in a step, as if its machine had failed."""
    descend = Step.descend

    def until(self, batches):
        if self.run.progress.step == step and os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        return descend(self, batches)

    Step.descend = until


if __name__ == "__main__":
    warnings.filterwarnings("ignore", ".*(has not learned|ended with a diagnostic)")
    main(Path(sys.argv[1]), sys.argv[2])
