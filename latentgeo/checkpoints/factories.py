"""Factories by name: the user's own code, run only when the user names it."""

import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from latentgeo.checkpoints import consent
from latentgeo.errors import InputError, reason_of


def make_module(factory: Callable[..., Any], arguments: Mapping[str, Any], name: str) -> nn.Module:
    """Call a factory.

    Parameters
    ----------
    factory : callable
        A function or class that gives the network.
    arguments : mapping
        Its keyword arguments.
    name : str
        What messages call it.

    Returns
    -------
    torch.nn.Module
        The network.

    Raises
    ------
    InputError
        When it raises, or gives something else.
    """
    try:
        module = factory(**arguments)
    except Exception as error:  # the user's code may raise anything
        raise InputError(
            f"model {name!r} failed: {_format_error(error)}; it is called "
            f"with {dict(arguments) or 'no arguments'} (give others with --argument NAME=VALUE)"
        ) from error
    if not isinstance(module, nn.Module):
        raise InputError(
            f"model {name!r} gives a {type(module).__name__}, expected a torch.nn.Module; "
            "name a class or a function that returns one"
        )
    return module


def find_factory(name: str, folder: Path) -> Callable[..., Any]:
    """Import a factory. THIS RUNS THE CODE THAT IT NAMES.

    Parameters
    ----------
    name : str
        "package.module:factory" or "file.py:factory".
    folder : pathlib.Path
        What a relative file is relative to.

    Returns
    -------
    callable
        The factory.

    Raises
    ------
    InputError
        When the name has another form, or there is no such file, module or factory.
    """
    where, what = _split(name)
    module = _import_file(_file(where, folder)) if _is_file(where) else _import_module(where)
    factory: Any = module
    for part in what.split("."):
        factory = getattr(factory, part, None)
        if factory is None:
            raise InputError(f"model {name!r}: {where} has no {what!r}; it has {_public(module)}")
    if not callable(factory):
        raise InputError(f"model {name!r} is a {type(factory).__name__}, expected a callable")
    found: Callable[..., Any] = factory
    return found


def allow(name: str, folder: Path) -> None:
    """Remember that the user named this code explicitly, in the state that it is in now."""
    consent.allow(_absolute(name, folder), digest_of_code(name, folder) or "")


def is_allowed(name: str, folder: Path) -> bool:
    """Return whether the user has named this code explicitly, and it has not changed since."""
    return consent.is_allowed(_absolute(name, folder), digest_of_code(name, folder) or "")


def same_code(name: str, folder: Path, other: str, other_folder: Path) -> bool:
    """Return whether two names, each with what it is relative to, mean the same."""
    return _absolute(name, folder) == _absolute(other, other_folder)


def digest_of_code(name: str, folder: Path) -> str | None:
    """Return the SHA-256 of a factory's file; None for a module, whose package has a version."""
    where, _ = _split(name)
    if not _is_file(where):
        return None
    return hashlib.sha256(_file(where, folder).read_bytes()).hexdigest()


def relative_to(name: str, folder: Path, to: Path) -> str:
    """Write a name that is relative to one folder as relative to another."""
    where, what = _split(name)
    if not _is_file(where):
        return name
    return f"{path_from(_file(where, folder), to)}:{what}"


def path_from(path: Path, folder: Path) -> str:
    """Write a path as seen from a folder; as it is where the two lie on different drives."""
    try:
        return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    except ValueError:
        return str(path.resolve())


def _split(name: str) -> tuple[str, str]:
    where, colon, what = name.rpartition(":")
    if not colon or not where or not what:
        raise InputError(
            f"model {name!r} names no factory; expected package.module:factory or file.py:factory"
        )
    return where, what


def _is_file(where: str) -> bool:
    return where.endswith(".py")


def _file(where: str, folder: Path) -> Path:
    path = folder / Path(where).expanduser()
    if not path.is_file():
        raise InputError(f"model file {str(path)!r} does not exist; give the path of a .py file")
    return path


def _import_file(path: Path) -> Any:
    # A name that nothing else has, and the same for the same file, as pickling needs.
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    spec = importlib.util.spec_from_file_location(f"_latentgeo_model_{digest}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"model file {str(path)!r} cannot be imported; expected a .py file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    # Its own imports of files that lie beside it.
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's code may raise anything
        raise _failed(str(path), error) from error
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module


def _import_module(name: str) -> Any:
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise _failed(name, error) from error
    finally:
        sys.path.remove(here)


def _failed(name: str, error: Exception) -> InputError:
    return InputError(f"model code {name!r} cannot be imported: {_format_error(error)}")


def _format_error(error: Exception) -> str:
    return f"{type(error).__name__}: {reason_of(error, 'no reason given')}"


def _public(module: Any) -> str:
    own = [name for name, value in vars(module).items() if callable(value) and name[0] != "_"]
    return ", ".join(own[:8]) or "nothing that can be called"


def _absolute(name: str, folder: Path) -> str:
    where, what = _split(name)
    return f"{(folder / where).resolve() if _is_file(where) else where}:{what}"
