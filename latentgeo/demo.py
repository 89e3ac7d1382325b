"""The main job on data that comes with scikit-learn: train three models, analyse them."""

from pathlib import Path

from latentgeo.files import check_free
from latentgeo.pipeline import analyze
from latentgeo.results import Analysis
from latentgeo.training import train

RECIPES = ("cae", "dae", "vae")
# With more numbers in the latent the VAE has not learned which to leave unused by then.
_WIDTHS, _EPOCHS, _BATCH, _RATE = (8, 16, 16), 12, 16, 2e-3


def run(
    out: str | Path, *, epochs: int = _EPOCHS, force: bool = False, progress: bool = False
) -> tuple[Analysis, Path]:
    """Train a CAE, a DAE and a VAE on handwritten digits and analyse them.

    Parameters
    ----------
    out : str or pathlib.Path
        The folder for `runs/`, one run folder for each model, and `analysis/`.
    epochs : int, default=12
        Passes over the data.
    force : bool, default=False
        Replace what `out` holds.
    progress : bool, default=False
        Show bars.

    Returns
    -------
    tuple of Analysis and pathlib.Path
        What was found, and the folder that it lies in.

    Raises
    ------
    InputError
        When `out` is not free.
    """
    place = Path(out)
    check_free(place, holds="the demo", force=force)
    folders = train_models(place / "runs", epochs=epochs, force=force, progress=progress)
    target = place / "analysis"
    found = analyze(folders, data="digits", out=target, force=force, progress=progress)
    return found, target


def train_models(
    out: Path, *, epochs: int = _EPOCHS, force: bool = False, progress: bool = False
) -> list[Path]:
    """Train the models that the demo analyses.

    Parameters
    ----------
    out : pathlib.Path
        The folder for one run folder of each.
    epochs : int, default=12
        Passes over the data.
    force : bool, default=False
        Replace what is there.
    progress : bool, default=False
        Show bars.

    Returns
    -------
    list of pathlib.Path
        Their folders.
    """
    return [
        train(
            recipe,
            data="digits",
            out=out / recipe,
            options={"widths": list(_WIDTHS)},
            epochs=epochs,
            batch_size=_BATCH,
            learning_rate=_RATE,
            schedule="cosine",
            force=force,
            progress=progress,
        )
        for recipe in RECIPES
    ]
