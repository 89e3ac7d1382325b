"""Weights that others saved: read, renamed and fitted to a module."""

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from latentgeo.checkpoints.naming import (
    COUNTER,
    WRAPPERS,
    Tensors,
    View,
    bare_names,
    choose,
    count_of,
    listed,
    renamed,
    tied_names,
    without_prefix,
)
from latentgeo.checkpoints.untrusted import MAX_BYTES, Program, Weights, read_untrusted
from latentgeo.errors import InputError

_FLAT = re.compile(r"(^|[._])flat_param(_\d+)?$")  # of FSDP, one for all that it wraps
# Beside "x.weight", as compressed-tensors, DeepSeek, ComfyUI and bitsandbytes name it.
_SCALE = re.compile(
    r"(.*)\.(weight_scale(_inv)?|scale_weight|weight_zero_point|SCB|weight\.(absmax|quant_map))$"
)
_MOST, _LONGEST = 20, 60  # settings that are told, and letters of each


class Fit(NamedTuple):
    """How weights went into a module.

    Attributes
    ----------
    missing : tuple of str
        Tensors of the module that the weights do not hold; they kept their values.
    unexpected : tuple of str
        Tensors that the module has no place for.
    notes : tuple of str
        What was done: prefixes that were taken off, numbers that were converted.
    strict : bool
        Whether it went as torch's own strict loading would: nothing was let through.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    notes: tuple[str, ...]
    strict: bool = True

    def facts(self) -> dict[str, Any]:
        """Return what the provenance of a model tells of its weights."""
        if self.strict:
            return {"weights": list(self.notes)}
        let_through = {"missing": list(self.missing), "unexpected": list(self.unexpected)}
        return {"weights": list(self.notes), "mismatch": let_through}


def join_fits(fits: Mapping[str, Fit], missing: Sequence[str]) -> Fit:
    """Join how weights went into modules of a network, by the names of these.

    Parameters
    ----------
    fits : mapping of str to Fit
        By module.
    missing : sequence of str
        Tensors of the network outside of them, which kept their values.

    Returns
    -------
    Fit
        Of the whole network.
    """
    return Fit(
        (*(f"{part}.{name}" for part, fit in fits.items() for name in fit.missing), *missing),
        tuple(f"{part}.{name}" for part, fit in fits.items() for name in fit.unexpected),
        tuple(f"{part}: {note}" for part, fit in fits.items() for note in fit.notes),
        strict=not missing and all(fit.strict for fit in fits.values()),
    )


def read_weights(
    path: str | Path, *, max_bytes: int = MAX_BYTES, ema: bool | None = None
) -> Weights:
    """Read a file of weights; takes and raises what `read_untrusted` does, and refuses programs."""
    found = read_untrusted(path, max_bytes=max_bytes, ema=ema)
    if isinstance(found, Program):
        name = {"torchscript": "TorchScript"}.get(found.kind, "torch.export (.pt2)")
        raise InputError(
            f"{str(path)!r} is an archive of {name}, which is a whole model; open it as such, not "
            "as weights (without model, --model)"
        )
    return found


def fit_weights(
    module: nn.Module,
    weights: Weights,
    *,
    strict: bool = True,
    prefix: str | None = None,
    path: str | Path | None = None,
) -> Fit:
    """Load weights into a module, whatever training wrapped around their names.

    Prefixes such as "module." (DataParallel), "_orig_mod." (torch.compile) or "net." (Lightning)
    are taken off where the names fit then, and the notes say so. Numbers are converted to the
    module's type. The module is changed only when everything fits.

    Parameters
    ----------
    module : torch.nn.Module
        Where they go.
    weights : Weights
        What `read_weights` gives.
    strict : bool, default=True
        Refuse weights that miss tensors of the module or hold others. If false, those are left
        as they are, with a warning.
    prefix : str, optional
        Take the tensors whose names begin so, and take that off.
    path : str or pathlib.Path, optional
        What messages call the weights; their file if None.

    Returns
    -------
    Fit
        Names that are missing and that are unexpected, and what was done.

    Raises
    ------
    InputError
        When names or shapes do not fit.
    """
    name = str(path or weights.path)
    with telling_settings(weights):
        fit = _fit(module, weights.tensors, name, strict=strict, prefix=prefix)
    return fit._replace(notes=(*weights.notes, *fit.notes))


@contextmanager
def telling_settings(weights: Weights | None) -> Iterator[None]:
    """Add the settings that training saved beside the weights to an `InputError` of the block."""
    try:
        yield
    except InputError as error:
        if weights is None or not weights.settings:
            raise
        told = [f"{name}={value!r}"[:_LONGEST] for name, value in weights.settings.items()]
        more = f" and {len(told) - _MOST} more" if len(told) > _MOST else ""
        raise InputError(
            f"{error}. It was saved with the settings {', '.join(told[:_MOST])}{more}"
        ) from None


def _fit(
    module: nn.Module, tensors: Tensors, path: str, *, strict: bool, prefix: str | None
) -> Fit:
    expected = _expected(module, path)
    view = choose(expected, tensors, path, prefix)
    if any(_differences(expected, view)):
        if (own := _by_own_loading(module, tensors, prefix)) is not None:
            return own
        other = renamed(expected, bare_names(tensors).tensors) if prefix is None else None
        view = other or view
    lacking, unexpected = _differences(expected, view)
    _check_form(unexpected, view.tensors, path)
    misfit = _misfit(path, module, expected, view.tensors, lacking, unexpected)
    if (lacking or unexpected) and strict:
        raise InputError(misfit)
    taken = {name: value for name, value in view.tensors.items() if name in expected}
    if not taken:
        raise InputError(misfit)
    tied = tied_names(expected, view.tensors)
    missing = [name for name in expected if name not in view.tensors and name not in tied]
    notes = [*view.notes, *_converted(expected, taken, path)]
    notes += [f"{name!r} is the same tensor as {other!r}" for name, other in tied.items()]
    if missing:
        notes.append(f"{count_of(missing)} missing and left as they were: {listed(missing)}")
    if unexpected:
        notes.append(f"{count_of(unexpected)} not used: {listed(unexpected)}")
    _load(module, expected, taken, path)
    if lacking or unexpected:
        warnings.warn(misfit, stacklevel=3)
    return Fit(tuple(missing), tuple(unexpected), tuple(notes), not (lacking or unexpected))


def _differences(expected: Tensors, view: View) -> tuple[list[str], list[str]]:
    """Return what the module lacks, but for counters of batches, and what it has no place for."""
    tied = tied_names(expected, view.tensors)
    missing = [name for name in expected if name not in view.tensors and name not in tied]
    lacking = [name for name in missing if not name.endswith(COUNTER)]
    return lacking, [name for name in view.tensors if name not in expected]


def fits_exactly(module: nn.Module, weights: Weights, prefix: str | None = None) -> bool:
    """Return whether weights fit a module: none is missing, too many or left aside."""
    name = str(weights.path)
    expected = _expected(module, name)
    try:
        view = choose(expected, weights.tensors, name, prefix)
    except InputError:  # twice, or not at all, which loading says in its own words
        return False
    return len(view.tensors) == len(weights.tensors) and not any(_differences(expected, view))


def _check_form(unexpected: list[str], tensors: Tensors, path: str) -> None:
    """Refuse numbers that are no weights without others beside them, whatever is let through."""
    for name in unexpected:
        if _FLAT.search(name):
            raise InputError(
                f"{path!r} holds parameters that FSDP flattened ({name!r}); save them whole where "
                "it was trained (StateDictType.FULL_STATE_DICT, or get_model_state_dict with "
                "full_state_dict=True)"
            )
        scaled = _SCALE.match(name)
        if name.endswith(".qweight") or (scaled and f"{scaled[1]}.weight" in tensors):
            raise InputError(
                f"{path!r} holds quantised weights: {name!r} says how to scale others; give those "
                "that were quantised, in float32 or half precision (dequantise them where they "
                "were made)"
            )


def _by_own_loading(module: nn.Module, tensors: Tensors, prefix: str | None) -> Fit | None:
    """Load as torch's strict loading does where a module renames tensors; or change nothing.

    Weight normalisation and many projects keep old files readable by hooks that rename what is
    loaded, which only the loading itself can run.
    """
    if not any(_loads_itself(part) for part in module.modules()):
        return None
    plain = View(tensors) if prefix is None else without_prefix(tensors, (), prefix)
    bare = bare_names(plain.tensors, plain.notes)
    stripped = [without_prefix(*bare[:2], wrapper) for wrapper in WRAPPERS]
    views = [plain, bare, *(view for view in stripped if len(view.tensors) == len(tensors))]
    before = {name: value.detach().clone() for name, value in _tensors(module).items()}
    for view in views:
        try:
            module.load_state_dict(dict(view.tensors), strict=True)
        except Exception:  # noqa: S112 - a module's hooks may raise anything; then it is not this
            continue
        if all(map(_is_finite, _tensors(module).values())):
            return Fit((), (), (*view.notes, "renamed by the module's own loading"))
    with torch.no_grad():
        for name, value in _tensors(module).items():
            value.copy_(before[name])
    return None


def _loads_itself(module: nn.Module) -> bool:
    plain = (nn.Module._load_from_state_dict, nn.Module.load_state_dict)
    return bool(module._load_state_dict_pre_hooks) or plain != (
        type(module)._load_from_state_dict,
        type(module).load_state_dict,
    )


def _tensors(module: nn.Module) -> Tensors:
    state = module.state_dict(keep_vars=True)
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}


def _is_finite(value: Tensor) -> bool:
    return not value.is_floating_point() or bool(torch.isfinite(value).all())


def _expected(module: nn.Module, path: str) -> Tensors:
    """Return the tensors that a module wants."""
    wanted = _tensors(module)
    lazy = [name for name, value in wanted.items() if is_lazy(value)]
    if lazy:
        raise InputError(
            f"{type(module).__name__} does not know its shapes before its first pass "
            f"({listed(lazy)}), so {path!r} cannot be checked against it; give the shapes when it "
            "is made"
        )
    return wanted


def _converted(expected: Tensors, taken: Tensors, path: str) -> list[str]:
    """Check shapes and kinds of numbers; say which types are converted."""
    changes: dict[str, int] = {}
    for name, value in taken.items():
        wanted = expected[name]
        if value.shape != wanted.shape:
            raise InputError(
                f"tensor {name!r} in {path!r} has shape {tuple(value.shape)}, the model wants "
                f"{tuple(wanted.shape)}; make the model with the settings that it was trained with"
            )
        if value.dtype == wanted.dtype:
            continue
        if _kind(value) != _kind(wanted):
            raise InputError(
                f"tensor {name!r} in {path!r} is of type {_dtype(value)}, the model wants "
                f"{_dtype(wanted)}; make the model with the settings that it was trained with"
            )
        if not _is_finite(value.to(wanted.dtype)):
            raise InputError(
                f"tensor {name!r} in {path!r} has values too large for {_dtype(wanted)}; make "
                f"the model in {_dtype(value)} (model.to(dtype))"
            )
        change = f"from {_dtype(value)} to {_dtype(wanted)}"
        changes[change] = changes.get(change, 0) + 1
    return [f"converted {count} tensors {change}" for change, count in changes.items()]


def _kind(value: Tensor) -> str:
    if value.is_complex():
        return "complex"
    return "floating" if value.is_floating_point() else "whole"


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _load(module: nn.Module, expected: Tensors, taken: Tensors, path: str) -> None:
    if empty := [name for name, value in expected.items() if value.is_meta]:
        # On the meta device there is nothing to copy into: the tensors themselves are put in.
        if lost := [name for name in empty if name not in taken]:
            raise InputError(
                f"{type(module).__name__} was made on the meta device, and {path!r} has no values "
                f"for {listed(lost)}; make it on the CPU"
            )
        taken = {n: value.to(expected[n].dtype, copy=True) for n, value in taken.items()}
    try:
        module.load_state_dict(taken, strict=False, assign=bool(empty))
    except Exception as error:  # modules may have hooks of their own here
        reason = " ".join(str(error).split())
        raise InputError(f"{type(module).__name__} does not take {path!r}: {reason}") from error


def _misfit(
    path: str,
    module: nn.Module,
    expected: Tensors,
    found: Tensors,
    missing: list[str],
    unexpected: list[str],
) -> str:
    """Describe which names do not fit, and which are nearest."""
    problems = []
    if missing:
        problems.append(
            f"it lacks {count_of(missing)}: {listed(missing, unexpected or list(found))}"
        )
    if unexpected:
        problems.append(f"it holds {count_of(unexpected)} too many: {listed(unexpected, missing)}")
    shared = sum(name in expected for name in found)
    return (
        f"{path!r} does not fit {type(module).__name__}, with which it shares {shared} of "
        f"{len(expected)} tensors: {'; '.join(problems)}. Most likely it was saved from another "
        "variant (more blocks, other channels, a head): give the model that it was saved from and "
        "its arguments. Only if you know that what differs does not matter, take what fits with "
        "strict=False (--allow-mismatch)"
    )
