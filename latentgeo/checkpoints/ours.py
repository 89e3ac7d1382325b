"""Run folders that `latentgeo.train` made."""

from pathlib import Path

from latentgeo.errors import InputError
from latentgeo.files import sha256_of_file
from latentgeo.models import Autoencoder, load_model
from latentgeo.models.folder import WEIGHTS
from latentgeo.training import RunFolder


def load(path: str | Path) -> Autoencoder:
    """Load a trained model.

    Parameters
    ----------
    path : str or pathlib.Path
        A run folder, or any folder with `model.safetensors` and `config.json` of ours.

    Returns
    -------
    Autoencoder
        On the CPU, in evaluation mode. Its `provenance` tells where the weights come from:
        `weights_sha256` always, and what the run wrote down where it did.

    Raises
    ------
    InputError
        When there is no such folder, a file is missing or broken, or the weights do not fit the
        configuration or are not finite.
    """
    folder = _existing(path)
    model = load_model(folder)
    written = RunFolder(folder).facts()
    digest = sha256_of_file(folder / WEIGHTS)
    # What was written down of other weights says nothing about these.
    model.provenance = written if written.get("weights_sha256") == digest else {}
    model.provenance["weights_sha256"] = digest
    return model


def _existing(path: str | Path) -> Path:
    folder = Path(path)
    if not folder.exists():
        raise InputError(
            f"checkpoint {str(folder)!r} does not exist; give a run folder that "
            "`latentgeo train` made"
        )
    if RunFolder(folder).run.is_file() and not (folder / WEIGHTS).is_file():
        raise InputError(
            f"run {str(folder)!r} has no weights ({WEIGHTS}) yet: it stopped before its first "
            "epoch was complete; continue it with --resume (resume=True)"
        )
    return folder
