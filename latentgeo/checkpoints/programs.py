"""Archives that hold a program (torch.export, TorchScript), checked before PyTorch opens them.

PyTorch trusts such files: `torch.export.load` unpickles without limits where the restricted reader
fails, evaluates the sizes and guards of a graph as Python, writes names from the file into Python
code and looks operators up by any path within `torch`, so also `torch.os.system`. TorchScript can
write files (`torch.save`) and its C++ reader believes the sizes of storages. So here every entry
is checked against what exporting a network writes, and the rest is refused by name.
"""

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from latentgeo.checkpoints._expressions import check_guard, check_size
from latentgeo.checkpoints._torch_files import DATA, check_records
from latentgeo.checkpoints._zip import Archive, check_zip
from latentgeo.checkpoints.kinds import existing_file
from latentgeo.errors import InputError

MAX_BYTES = 32 << 30
_MOST_JSON = 256 << 20
_MOST_CODE = 64 << 20

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_PATH = re.compile(r"[\w.]*", re.ASCII)
_WORDS = re.compile(r"[\w .,:;/+*()<>=\[\]-]*", re.ASCII)  # no quotes, backslashes, line breaks
_ARCHIVE_ENTRIES = re.compile(
    r"archive_format|archive_version|version|byteorder|\.data/[\w.]+|extra/[\w./-]+"
    r"|models/[\w-]+\.json|data/sample_inputs/[\w-]+\.pt"
    r"|data/weights/(weight_\d+|[\w-]+_weights_config\.json)"
    r"|data/constants/(tensor_\d+|[\w-]+_constants_config\.json)",
    re.ASCII,
)
_SCRIPT_ENTRIES = re.compile(
    r"version|byteorder|\.data/[\w.]+|extra/[\w./-]+|mobile_debug_handles\.pkl"
    r"|(data|constants|traced_inputs|bytecode)(\.pkl|/\d+)|code/[\w./<>-]+\.(py|debug_pkl)",
    re.ASCII,
)
_OPERATORS = re.compile(
    r"torch\.ops\.(aten|prims)\.(?!_?from_file|save\b|__)\w+\.(?!__)\w+"
    r"|torch\.ops\.higher_order\.(cond|wrap_with_set_grad_enabled|wrap_with_autocast)"
    r"|_operator\.(getitem|eq|ne|le|ge|lt|gt|neg|pos|mul|add|sub|floordiv|truediv|mod|pow|and_|or_"
    r"|lshift|rshift|not_)"
    r"|math\.(trunc|ceil|floor|sqrt)|torch\.(sym_\w+|_sym_sqrt)",
    re.ASCII,
)
_TREES = {None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict"}
_FILES = {"save", "from_file", "rpc_sync", "rpc_async", "rpc_remote"}
_NAMESPACES = {"aten", "prim", "prims", "quantized", "torchvision"}


def check_export_archive(path: str | Path, max_bytes: int = MAX_BYTES) -> None:
    """Check a torch.export archive (.pt2) before it is given to `torch.export.load`.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.
    max_bytes : int, default=32 GiB
        Most bytes that it may unpack to.

    Raises
    ------
    InputError
        When it is damaged, or holds something that could run code when it is opened: pickles of
        more than tensors, compiled code, objects of other libraries, operators other than
        PyTorch's on tensors, or texts that would become code.
    """
    place = existing_file(path)
    archive = check_zip(place, max_bytes)
    for name in archive.entries:
        if not _ARCHIVE_ENTRIES.fullmatch(name):
            raise _refused(place, f"entry {name!r}", "which a plain torch.export.save does not")
    for name, size in archive.entries.items():
        if name.endswith("_config.json"):
            _check_config(_parse(archive, name), name, place)
        elif name.startswith("models/"):
            _check_program(_parse(archive, name), place)
        elif name.startswith("data/sample_inputs/") and size:
            content = archive.read(name, max_bytes)
            _check_samples(check_zip(place, max_bytes, content=content))


def check_torchscript(path: str | Path, max_bytes: int = MAX_BYTES) -> None:
    """Check a TorchScript archive before it is given to `torch.jit.load`.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.
    max_bytes : int, default=32 GiB
        Most bytes that it may unpack to.

    Raises
    ------
    InputError
        When it is damaged, its tensors do not fit into their storages, its pickles name what
        TorchScript does not, or its code would use files or operators of other libraries.
    """
    place = existing_file(path)
    archive = check_zip(place, max_bytes, deflated=True)
    for name in archive.entries:
        if not _SCRIPT_ENTRIES.fullmatch(name):
            raise _refused(place, f"entry {name!r}", "which torch.jit.save does not write")
    check_records(archive, script=True)
    for name in archive.entries:
        if name.endswith(".py"):
            _check_code(archive.read(name, _MOST_CODE), name, place)


def _check_samples(archive: Archive) -> None:
    """Check the inputs that the network was exported with: tensors, saved by torch.save."""
    if DATA not in archive.entries or "constants.pkl" in archive.entries:
        raise _refused(archive.path, "sample inputs", "that torch.save did not write")
    check_records(archive)


def _check_config(config: Any, name: str, path: Path) -> None:
    """Check that all tensors are numbers as they are; pickled ones are opened without limits."""
    entries = config.get("config") if isinstance(config, dict) else None
    if not isinstance(entries, dict):
        raise _refused(path, f"entry {name!r}", "that lists no tensors")
    for tensor, entry in entries.items():
        if not isinstance(entry, dict) or entry.get("use_pickle") is not False:
            raise _refused(
                path, f"tensor {tensor!r}", "which would be unpickled without limits when opened"
            )
        if not re.fullmatch(r"(weight|tensor)_\d+", str(entry.get("path_name")), re.ASCII):
            raise _refused(path, f"tensor {tensor!r}", f"stored as {entry.get('path_name')!r}")
        _check_text("parameter_name", tensor, path)
        _check_values(entry, "", path)


def _check_program(program: Any, path: Path) -> None:
    if not isinstance(program, dict) or not isinstance(program.get("graph_module"), dict):
        raise _refused(path, "a model", "without a graph")
    _check_values(program, "", path)


def _check_values(values: Any, key: str, path: Path) -> None:
    """Check every text below, by the key that it stands under."""
    todo: list[tuple[str, Any]] = [(key, values)]
    while todo:
        key, value = todo.pop()
        if isinstance(value, dict):
            for name, inside in value.items():
                _check_text("key", name, path)
                if key != "metadata":  # stays text
                    todo.append((name, inside))
        elif isinstance(value, list):
            todo.extend((key, inside) for inside in value)
        elif isinstance(value, str):
            _check_text(key, value, path)
        if key in _FORBIDDEN and value is not None:
            raise _refused(path, f"{key!r}", "which takes code from outside the archive")


def _check_text(key: str, text: str, path: Path) -> None:
    if not _TEXTS.get(key, _is_words)(text):
        shown = text if len(text) <= 80 else text[:77] + "..."
        raise _refused(path, f"{_WHAT.get(key, repr(key))} {shown!r}", "which could run code")


def _is_words(text: str) -> bool:
    return bool(_WORDS.fullmatch(text))


def _is_name(text: str) -> bool:
    return bool(_NAME.fullmatch(text))


def _is_path(text: str) -> bool:
    return bool(_PATH.fullmatch(text))


def _is_operator(text: str) -> bool:
    return bool(_OPERATORS.fullmatch(text))


def _is_tree(text: str) -> bool:
    """Say whether the structure of inputs or outputs is made of plain containers."""
    try:
        todo = [json.loads(text)[1]]
        while todo:
            node = todo.pop()
            keys = None if node["context"] is None else json.loads(node["context"])
            if node["type"] not in _TREES or not _are_keys(keys):
                return False
            todo.extend(node["children_spec"])
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return False
    return True


def _are_keys(keys: Any) -> bool:
    listed = keys if isinstance(keys, list) else []
    return (keys is None or keys is listed) and all(
        type(name) is int or (isinstance(name, str) and _is_words(name)) for name in listed
    )


_FORBIDDEN = {"as_custom_obj", "as_operator", "custom_obj", "class_fqn"}
_TEXTS: dict[str, Callable[[str], bool]] = {
    "name": _is_name,
    "as_name": _is_name,
    "forward_arg_names": _is_name,
    "target": _is_operator,
    "expr_str": check_size,
    "guards_code": check_guard,
    "in_spec": _is_tree,
    "out_spec": _is_tree,
    "parameter_name": _is_path,
    "buffer_name": _is_path,
    "tensor_constant_name": _is_path,
    "user_input_name": _is_path,
    "fqn": _is_path,
}
_WHAT = {
    "target": "operator",
    "expr_str": "size",
    "guards_code": "guard",
    "in_spec": "structure of inputs",
    "out_spec": "structure of outputs",
}


def _check_code(code: bytes, name: str, path: Path) -> None:
    """Check that the code of TorchScript, a subset of Python, only computes."""
    try:
        tree = ast.parse(code.decode("utf-8"))
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise _refused(path, f"code in {name!r}", "that cannot be read") from None
    for used in _dotted(tree):
        root, *rest = used.split(".")
        if root == "ops" and (not rest or rest[0] not in _NAMESPACES):
            raise _refused(path, f"the operator {used!r}", "of another library")
        if root in ("torch", "ops") and rest and rest[-1] in _FILES:
            raise _refused(path, f"the operator {used!r}", "which uses files or other machines")


def _dotted(tree: ast.AST) -> Iterator[str]:
    """Give all paths of names."""
    for node in ast.walk(tree):
        steps: list[str] = []
        inner = node
        while isinstance(inner, ast.Attribute):
            steps.append(inner.attr)
            inner = inner.value
        if steps and isinstance(inner, ast.Name):
            yield ".".join([inner.id, *reversed(steps)])


def _parse(archive: Archive, name: str) -> Any:
    try:
        return json.loads(archive.read(name, _MOST_JSON).decode("utf-8"))
    except (ValueError, RecursionError):
        raise _refused(archive.path, f"entry {name!r}", "which is not valid JSON") from None


def _refused(path: Path, what: str, why: str) -> InputError:
    return InputError(
        f"{str(path)!r} is not opened: it holds {what}, {why}; give the network by its code "
        "(model=…, --model) and its weights as safetensors"
    )
