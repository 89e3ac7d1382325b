"""Sizes and guards of exported programs, which PyTorch evaluates as Python: arithmetic only."""

import ast
import re
from collections.abc import Callable

_LONGEST = 20_000
_MOST_POWERS = 4
_LARGEST_POWER = 16
_SYMBOL = re.compile(r"[a-z]{1,6}\d{1,9}", re.ASCII)
_PLAIN = re.compile(r"[\w .,'()\[\]<>=!+*/%|&~-]*", re.ASCII)

_FUNCTIONS = {
    *("Integer", "Float", "Rational", "Symbol", "Add", "Mul", "Pow", "Min", "Max", "Mod", "Abs"),
    *("Eq", "Ne", "Le", "Lt", "Ge", "Gt", "Equality", "Unequality", "LessThan", "StrictLessThan"),
    *("GreaterThan", "StrictGreaterThan", "And", "Or", "Not", "Piecewise", "ExprCondPair"),
    *("floor", "ceiling", "FloorDiv", "CeilDiv", "CleanDiv", "TrueDiv", "FloatTrueDiv"),
    *("IntTrueDiv", "ModularIndexing", "PythonMod", "Where", "LShift", "RShift", "FloatPow"),
    *("PowByNatural", "CeilToInt", "FloorToInt", "TruncToFloat", "TruncToInt", "RoundToInt"),
    *("RoundDecimal", "ToFloat", "Identity", "IsNonOverlappingAndDenseIndicator"),
}
_VALUES = {"true", "false", "True", "False", "oo", "int_oo", "inf", "nan"}
_OF_TENSORS = {"size", "stride", "storage_offset", "dim", "numel"}
_OF_MATH = {"ceil", "floor", "trunc", "sqrt", "isnan", "inf"}
_POWERS = {"Pow", "PowByNatural", "FloatPow", "LShift"}
_ARITHMETIC = (
    *(ast.Expression, ast.Load, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.keyword),
    *(ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Tuple),
)


def check_size(text: str) -> bool:
    """Say whether a size is arithmetic on symbols: `FloorDiv(Symbol('s77'), Integer(2))`."""
    return _is_arithmetic(text, _is_size_node)


def check_guard(text: str) -> bool:
    """Say whether a guard compares sizes of inputs: `L['x'].size()[2] // 2 != 1`."""
    return _is_arithmetic(text, _is_guard_node)


def _is_arithmetic(text: str, is_known: "_Check") -> bool:
    if len(text) > _LONGEST or not _PLAIN.fullmatch(text):
        return False
    try:
        tree = ast.parse(text.strip(), mode="eval")
        nodes = list(ast.walk(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    if isinstance(tree.body, ast.Tuple) or sum(map(_is_power, nodes)) > _MOST_POWERS:
        return False
    return all(
        isinstance(node, _ARITHMETIC) or _is_constant(node) or is_known(node) for node in nodes
    ) and all(map(_is_small_power, nodes))


def _is_size_node(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return node.id in _FUNCTIONS | _VALUES or bool(_SYMBOL.fullmatch(node.id))
    return isinstance(node, ast.Call) and _is_function(node.func)


def _is_guard_node(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return node.id in _FUNCTIONS | _VALUES | {"L", "math"}
    if isinstance(node, ast.Attribute):
        return _is_method(node)
    if isinstance(node, ast.Call):
        return _is_function(node.func) or _is_method(node.func)
    return isinstance(node, ast.Subscript)


def _is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in _FUNCTIONS


def _is_method(node: ast.AST) -> bool:
    if not isinstance(node, ast.Attribute):
        return False
    if isinstance(node.value, ast.Name) and node.value.id == "math":
        return node.attr in _OF_MATH
    return isinstance(node.value, ast.Subscript) and node.attr in _OF_TENSORS


def _is_constant(node: ast.AST) -> bool:
    if not isinstance(node, ast.Constant):
        return False
    if isinstance(node.value, str):
        # Sympy evaluates texts too, so a text is no more than a name.
        return node.value.isascii() and node.value.replace(".", "").isidentifier()
    return isinstance(node.value, bool | float | None) or (
        isinstance(node.value, int) and node.value < 1 << 64
    )


def _is_power(node: ast.AST) -> bool:
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Pow | ast.LShift)
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and (node.func.id in _POWERS)
    )


def _is_small_power(node: ast.AST) -> bool:
    """Say whether a power has a small exponent: a tower of powers takes all memory."""
    if not _is_power(node):
        return True
    exponent = node.right if isinstance(node, ast.BinOp) else node.args[-1]  # type: ignore[attr-defined]
    return all(
        (not _is_power(inside) and not isinstance(inside, ast.Name | ast.Constant))
        or (isinstance(inside, ast.Name) and inside.id in {"Integer", "Rational"})
        or (isinstance(inside, ast.Constant) and _is_small(inside.value))
        for inside in ast.walk(exponent)
    )


def _is_small(value: object) -> bool:
    return isinstance(value, int) and abs(value) <= _LARGEST_POWER


_Check = Callable[[ast.AST], bool]
