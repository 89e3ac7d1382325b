"""A run folder: what lies where, and whether a run can go on in it."""

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch

from latentgeo.errors import InputError
from latentgeo.files import claim_folder, write_atomically, write_json, write_text
from latentgeo.foreign import read_json
from latentgeo.settings import parse
from latentgeo.training.config import TrainConfig
from latentgeo.training.progress import Progress, Row

Facts = dict[str, Any]


@dataclass(frozen=True)
class RunFolder:
    """A folder with the best weights and all that is needed to go on.

    `config.json` and `model.safetensors` are the best model, `probe.safetensors` the probe of that
    epoch where there is one, `run.json` the settings and the data, `metrics.csv` one row per
    epoch, `provenance.json` where the weights come from, `state/last.pt` the last state: weights,
    optimiser, random states and progress, `profile` where the time went if that was asked for.

    Attributes
    ----------
    path : pathlib.Path
        The folder.
    """

    path: Path

    @property
    def run(self) -> Path:
        """Settings and data."""
        return self.path / "run.json"

    @property
    def provenance(self) -> Path:
        """Where the weights come from."""
        return self.path / "provenance.json"

    @property
    def metrics(self) -> Path:
        """One row per epoch."""
        return self.path / "metrics.csv"

    @property
    def state(self) -> Path:
        """The last state."""
        return self.path / "state" / "last.pt"

    @property
    def next_state(self) -> Path:
        """The state that takes the place of the last one once all of its group are written."""
        return self.path / "state" / "next.pt"

    @property
    def tensorboard(self) -> Path:
        """Events for TensorBoard, where it was asked for."""
        return self.path / "tensorboard"

    @property
    def profile(self) -> Path:
        """Summary and trace, where a profile was asked for."""
        return self.path / "profile"

    @property
    def finished(self) -> bool:
        """Whether the run is complete; False where there is none."""
        try:
            return bool(self.facts().get("finished", False))
        except (InputError, OSError):
            return False

    def facts(self) -> Facts:
        """Read where the weights come from; empty where nothing was written."""
        if not self.provenance.is_file():
            return {}
        facts = read_json(self.provenance, "remove it to load the weights without it")
        if not isinstance(facts, dict):
            raise InputError(
                f"{str(self.provenance)!r} holds no JSON object; remove it to load without it"
            )
        if "trouble" in facts:  # as diagnostics were called before
            facts["diagnostics"] = facts.pop("trouble")
        return facts

    def begin(self, config: TrainConfig, data: Facts, *, force: bool) -> None:
        """Take the folder for a new run; raise `InputError` when it holds something."""
        claim_folder(self.path, holds="a training run", force=force)
        write_json(self.run, {"config": config.model_dump(mode="json"), "data": data})

    def check_settings(self, config: TrainConfig) -> None:
        """Raise `InputError` unless a run with these settings can go on here, or begin."""
        if not self.run.is_file():
            raise InputError(
                f"folder {str(self.path)!r} holds no run to resume; "
                "start one without --resume (resume=False)"
            )
        # What a setting was before there was such a setting is its default.
        before = parse(TrainConfig, self._read_run()["config"], "setting")
        here = config.model_dump(mode="json")
        self._check_same(before.model_dump(mode="json"), here, "settings")

    def check_data(self, data: Facts) -> None:
        """Raise `InputError` unless the run that lies here was on the same images."""
        self._check_same(self._read_run()["data"], data, "data")

    def write_state(self, state: Facts, progress: Progress, *, waits: bool = False) -> None:
        """Save the state in one step; one that waits lies beside the last until `accept`."""
        self._check_there()
        content = {**state, "progress": asdict(progress)}
        # Through memory: on a full disk torch.save raises a RuntimeError that hides the reason.
        buffer = io.BytesIO()
        torch.save(content, buffer)
        path = self.next_state if waits else self.state
        write_atomically(path, lambda temporary: _write(temporary, buffer.getbuffer()))

    def accept(self) -> None:
        """Put the state that waits in the place of the last one."""
        os.replace(self.next_state, self.state)

    def progress_of(self, path: Path) -> Progress | None:
        """Read how far a state is; None where there is none, or it cannot be read."""
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            return Progress.read(content["progress"])
        except Exception:  # as many kinds as in `read_state`, which says what is wrong
            return None

    def read_state(self) -> tuple[Facts, Progress]:
        """Read the state; raise `InputError` when it is broken or belongs to a finished run."""
        try:
            self._check_sums()
            content = torch.load(self.state, map_location="cpu", weights_only=True)
            progress = Progress.read(content.pop("progress"))
        except Exception as error:  # torch.load raises many kinds, from pickle's to zipfile's
            raise self.unreadable_state(error) from error
        if progress.finished:
            raise InputError(
                f"run {str(self.path)!r} is finished after {progress.epoch} epochs, nothing is "
                "left to resume; for more epochs start a new run folder"
            )
        return content, progress

    def unreadable_state(self, error: Exception) -> InputError:
        """Make the error for a state that is broken, or that another version wrote."""
        return InputError(
            f"state {str(self.state)!r} cannot be read ({type(error).__name__}): "
            f"it is damaged, or another version of latentgeo wrote it; start "
            "the run again with --force (force=True)"
        )

    def newer_state(self, unknown: list[str]) -> InputError:
        """Make the error for a state with parts that are not known here."""
        return InputError(
            f"state {str(self.state)!r} holds {', '.join(unknown)}, which this version of "
            "latentgeo does not know; go on with the version that wrote it, or start the run again "
            "with --force (force=True)"
        )

    def _check_sums(self) -> None:
        """Raise `ValueError` where a byte is another than was written: torch does not look."""
        with ZipFile(self.state) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"the checksum of {damaged!r} is not the one that was written")

    def write_metrics(self, rows: list[Row]) -> None:
        """Write all rows anew, so that an interruption leaves none doubled or missing."""
        self._check_there()
        table = io.StringIO()
        writer = csv.DictWriter(table, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.metrics, table.getvalue())

    def _check_there(self) -> None:
        """Raise `InputError` rather than begin a second folder where the run was moved away."""
        if not self.path.is_dir():
            raise InputError(
                f"run {str(self.path)!r} is gone, moved or removed while it was trained; go on "
                "with what was saved, where it is now, with --resume (resume=True)"
            )

    def _read_run(self) -> Facts:
        run: Facts = read_json(self.run, "start the run again")
        return run

    def _check_same(self, there: Facts, here: Facts, what: str) -> None:
        for name in there | here:
            before, now = there.get(name), here.get(name)
            if before != now:
                raise InputError(
                    f"run {str(self.path)!r} cannot be resumed with other {what}: {name} is "
                    f"{before!r} there and {now!r} here; give the same, or start a new run folder"
                )


def _write(path: Path, content: memoryview) -> None:
    path.write_bytes(content)


def settle(folders: Sequence[RunFolder]) -> None:
    """Accept states that wait if all of their group were written, and drop them otherwise.

    A kill can come between the states of two runs that are trained at once. Were one of them to go
    on from an earlier step, alone, it would be another by rounding.
    """
    waiting = [folder for folder in folders if folder.next_state.is_file()]
    found = [folder.progress_of(folder.next_state) for folder in waiting]
    steps = {progress.step for progress in found if progress is not None}
    others = [folder.progress_of(folder.state) for folder in folders if folder not in waiting]
    whole = (
        len(steps) == 1
        and None not in found
        and all(each is not None and (each.finished or {each.step} == steps) for each in others)
    )
    for folder in waiting:
        if whole:
            folder.accept()
        else:
            folder.next_state.unlink()
