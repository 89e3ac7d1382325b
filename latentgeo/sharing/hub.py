"""To the Hugging Face hub, and from it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from latentgeo.errors import InputError
from latentgeo.files import check_free, folder_in_place, kept
from latentgeo.models.folder import CONFIG, WEIGHTS
from latentgeo.sharing.model_card import CARD

# Never a pickle: what others uploaded is data here, whatever else their repository holds.
_WANTED = ["*.safetensors", "*.json", "*.yaml", "*.md", "figures/*.png"]
_HIDDEN = [".*", "*/.*"]
_HUB = "the Hugging Face hub"
_LOG_IN = "log in with `hf auth login`, or give a token (token=…)"


def push_to_hub(
    folder: str | Path,
    repo_id: str,
    *,
    token: str | None = None,
    private: bool = False,
    revision: str | None = None,
) -> str:
    """Upload an exported model to the Hugging Face hub.

    Parameters
    ----------
    folder : str or pathlib.Path
        A folder written by `export`. All of it is sent, but for files whose name begins with a dot.
    repo_id : str
        "user/name"; the repository is made if there is none.
    token : str, optional
        An access token that may write; that of `hf auth login` or of `HF_TOKEN` if left out.
    private : bool, default=False
        Whether a repository that is made is private.
    revision : str, optional
        A branch, made if there is none; "main" if left out.

    Returns
    -------
    str
        The address of the commit.

    Raises
    ------
    InputError
        When huggingface_hub is not installed, the folder is no export, or the hub refuses or
        cannot be reached.

    Examples
    --------
    >>> import latentgeo
    >>> latentgeo.push_to_hub("hub/vae", "USER/vae")  # doctest: +SKIP
    """
    place = Path(folder)
    _check_export(place)
    _check_installed()
    from huggingface_hub import HfApi

    with _plain_errors(repo_id, revision):
        api = HfApi(token=token, library_name="latentgeo")
        api.create_repo(repo_id, private=private, exist_ok=True)
        if revision is not None:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo_id,
            folder_path=place,
            revision=revision,
            commit_message="Upload with latentgeo",
            ignore_patterns=_HIDDEN,
        )
    return str(commit.commit_url)


def from_hub(
    repo_id: str,
    *,
    revision: str | None = None,
    token: str | None = None,
    cache: str | Path | None = None,
    to: str | Path | None = None,
    force: bool = False,
) -> Path:
    """Fetch a model from the Hugging Face hub, or from a folder in its layout.

    Weights are fetched as safetensors only, beside the texts and figures; nothing is run.

    Parameters
    ----------
    repo_id : str
        "user/name", or a local folder that holds what a repository would.
    revision : str, optional
        A branch, a tag or a commit; "main" if left out. A folder has none.
    token : str, optional
        An access token, for private repositories; that of `hf auth login` or of `HF_TOKEN` if
        left out.
    cache : str or pathlib.Path, optional
        Where downloads are kept; huggingface_hub's own cache if left out. What is there already
        is not fetched again, and is found without a network too (`HF_HUB_OFFLINE=1`).
    to : str or pathlib.Path, optional
        A folder to be made with copies of the files.
    force : bool, default=False
        Replace what `to` holds.

    Returns
    -------
    pathlib.Path
        A folder for `latentgeo.load`: `to`, or the one in the cache, which is only to be read, or
        the local folder itself.

    Raises
    ------
    InputError
        When there is no such repository or revision, huggingface_hub is not installed, there are
        no safetensors, the hub cannot be reached and the cache does not have it, or `to` is not
        free.

    Examples
    --------
    >>> import latentgeo
    >>> model = latentgeo.load(latentgeo.from_hub("USER/vae"))  # doctest: +SKIP
    """
    target = None if to is None else Path(to)
    local = Path(repo_id) if Path(repo_id).is_dir() else None
    with kept(target):
        if target is not None:
            check_free(target, holds="a model", force=force, reads=(local,))
        if local is not None:
            there = _local(local, revision)
        else:
            there = _downloaded(repo_id, revision, token, cache)
        if not any(there.rglob("*.safetensors")):
            raise InputError(
                f"repository {repo_id!r} holds no weights as safetensors; others are not fetched, "
                "for they may run code when they are opened"
            )
        if target is None:
            return there
        with folder_in_place(target) as folder:
            shutil.copytree(there, folder, dirs_exist_ok=True, ignore=partial(_unwanted, there))
    return target


def _local(folder: Path, revision: str | None) -> Path:
    if revision is not None:
        raise InputError(
            f"revision is {revision!r}, but {str(folder)!r} is a folder, which has none; leave it "
            "out"
        )
    return folder


def _downloaded(
    repo_id: str, revision: str | None, token: str | None, cache: str | Path | None
) -> Path:
    _check_installed()
    from huggingface_hub import snapshot_download

    with _plain_errors(repo_id, revision):
        return Path(
            snapshot_download(
                repo_id,
                revision=revision,
                token=token,
                cache_dir=cache,
                allow_patterns=_WANTED,
                library_name="latentgeo",
            )
        )


def _unwanted(root: Path, place: str, names: list[str]) -> list[str]:
    """Return the files of a folder that are not fetched, for `shutil.copytree`."""
    here = Path(place)
    files = [name for name in names if not (here / name).is_dir()]
    paths = {name: (here / name).relative_to(root).as_posix() for name in files}
    return [name for name in files if not any(fnmatch(paths[name], wanted) for wanted in _WANTED)]


def _check_export(folder: Path) -> None:
    lacking = [name for name in (WEIGHTS, CONFIG, CARD) if not (folder / name).is_file()]
    if lacking:
        raise InputError(
            f"folder {str(folder)!r} has no {lacking[0]}; expected what `latentgeo export RUN --to "
            "FOLDER` makes"
        )


def _check_installed() -> None:
    if find_spec("huggingface_hub") is None:
        raise InputError(
            "the Hugging Face hub needs the package huggingface_hub, which is not installed; "
            "install it with `python -m pip install 'latentgeo[hub]'`"
        )


@contextmanager
def _plain_errors(repo_id: str, revision: str | None) -> Iterator[None]:
    """Turn what goes wrong with a hub into one line."""
    try:
        yield
    except Exception as error:
        line = _line(error, f"repository {repo_id!r}", revision)
        if line is None:
            raise
        raise InputError(line) from error


def _line(error: Exception, repository: str, revision: str | None) -> str | None:
    """Return what went wrong; None for what has nothing to do with the hub."""
    for kind, line in _lines(repository, revision):
        if isinstance(error, kind):
            return line
    if getattr(getattr(error, "response", None), "status_code", None) in (401, 403):
        return f"{_HUB} does not let you do that with {repository}; {_LOG_IN}"
    # A ValueError: the card is refused; a RuntimeError: an upload broke off; httpx or httpx2,
    # by the version of huggingface_hub: no connection, or an answer that is none.
    if isinstance(error, ValueError | RuntimeError) or type(error).__module__.startswith(
        ("httpx", "huggingface_hub")
    ):
        text = " ".join(str(error).split()) or type(error).__name__
        return f"{_HUB} did not take or give {repository}: {text}"
    return None


def _lines(repository: str, revision: str | None) -> list[tuple[type[Exception], str]]:
    """Return the line of every known kind; of two that fit, the first is meant."""
    from huggingface_hub import errors

    return [
        (
            errors.HFValidationError,
            f"{repository} is no name that {_HUB} knows; expected USER/NAME of letters, digits, "
            "'-', '_' and '.'",
        ),
        (
            errors.GatedRepoError,
            f"{repository} is only for those to whom access was granted; {_LOG_IN}",
        ),
        (
            errors.RepositoryNotFoundError,
            f"{repository} does not exist on {_HUB}, or is private; check the name, or {_LOG_IN}",
        ),
        (
            errors.RevisionNotFoundError,
            f"{repository} has no revision {revision!r}; give a branch, a tag or a commit of it",
        ),
        (
            errors.LocalEntryNotFoundError,
            f"{repository} is not in the cache, or not whole, and {_HUB} cannot be reached or is "
            "switched off (HF_HUB_OFFLINE); fetch it once with a network",
        ),
        (
            errors.OfflineModeIsEnabled,
            f"{_HUB} is switched off (HF_HUB_OFFLINE); unset that to reach {repository}",
        ),
    ]
