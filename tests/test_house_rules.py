"""The house rules that no linter checks. CONTRIBUTING.md states them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "gendsl"

MAX_PACKAGE_LINES = 95_000  # raising it is a change of its own
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 40

FORBIDDEN_NAMES = {
    *("base", "bases", "common", "commons", "helper", "helpers"),
    *("misc", "util", "utilities", "utils"),
}
MAY_EXECUTE = {"gendsl/runtime/program.py"}  # runs the program that the compiler emitted
MAY_IMPORT_LATE = {"gendsl/__init__.py", "gendsl/cli.py"}

EXECUTING_CALLS = {"__import__", "eval", "exec"}
UNPICKLING_MODULES = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
UNSAFE_KEYWORDS = {("allow_pickle", True), ("weights_only", False)}

FILES = sorted(path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*.py"))

type_of_function = (ast.FunctionDef, ast.AsyncFunctionDef)
every_file = pytest.mark.parametrize("file", FILES)


@cache
def text(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


def line_count(file: str) -> int:
    return len(text(file).splitlines())


@cache
def tree(file: str) -> ast.Module:
    return ast.parse(text(file), filename=file)


def functions(module: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(module) if isinstance(node, type_of_function))


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function after its signature and docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def imported_modules(module: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.lineno


def called_name(call: ast.Call) -> str | None:
    match call.func:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id="builtins"), attr=name):
            return name
    return None


def unsafe_uses(module: ast.Module) -> Iterator[str]:
    for name, line in imported_modules(module):
        if name.split(".")[0] in UNPICKLING_MODULES:
            yield f"line {line}: import of {name}"
    for call in (node for node in ast.walk(module) if isinstance(node, ast.Call)):
        if called_name(call) in EXECUTING_CALLS:
            yield f"line {call.lineno}: {called_name(call)}()"
        for keyword in call.keywords:
            match keyword.value:
                case ast.Constant(value=bool(value)) if (keyword.arg, value) in UNSAFE_KEYWORDS:
                    yield f"line {call.lineno}: {keyword.arg}={value}"


def assigned_names(module: ast.Module) -> set[str]:
    names = set()
    for node in module.body:
        match node:
            case ast.Assign(targets=targets):
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    return names


def is_public(file: str) -> bool:
    return not any(
        part.startswith("_") and part != "__init__" for part in Path(file).with_suffix("").parts
    )


def is_only_docstring(module: ast.Module) -> bool:
    return len(module.body) == (ast.get_docstring(module) is not None)


def test_package_is_found():
    assert FILES


def test_package_within_line_budget():
    assert sum(map(line_count, FILES)) <= MAX_PACKAGE_LINES


@every_file
def test_file_is_short(file):
    assert line_count(file) <= MAX_FILE_LINES


@every_file
def test_functions_are_short(file):
    long = {
        f"line {function.lineno}: {function.name}": body_lines(function)
        for function in functions(tree(file))
        if body_lines(function) > MAX_FUNCTION_LINES
    }
    assert not long


@every_file
def test_name_says_a_concept(file):
    parts = {part.strip("_") for part in Path(file).with_suffix("").parts}
    assert not parts & FORBIDDEN_NAMES


@every_file
def test_public_module_has_all(file):
    module = tree(file)
    if is_public(file) and not is_only_docstring(module):
        assert "__all__" in assigned_names(module)


@every_file
def test_nothing_is_executed_or_unpickled(file):
    if file not in MAY_EXECUTE:
        assert not list(unsafe_uses(tree(file)))


@every_file
def test_imports_stand_at_the_top(file):
    if file in MAY_IMPORT_LATE or file.startswith("gendsl/commands/"):
        return
    late = [
        f"line {node.lineno}"
        for function in functions(tree(file))
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert not late


UNSAFE_SAMPLES = [
    "eval('1')",
    "import builtins\nbuiltins.exec('')",
    "__import__('os')",
    "import pickle",
    "from pickle import loads",
    "numpy.load(path, allow_pickle=True)",
    "torch.load(path, weights_only=False)",
]


@pytest.mark.parametrize("sample", UNSAFE_SAMPLES)
def test_unsafe_uses_are_seen(sample):
    assert list(unsafe_uses(ast.parse(sample)))


@pytest.mark.parametrize("sample", ["network.eval()", "torch.load(path, weights_only=True)"])
def test_safe_uses_pass(sample):
    assert not list(unsafe_uses(ast.parse(sample)))


SAMPLE_FUNCTION = '''
def f(
    x,
):
    """One.

    Two.
    """
    y = x
    return y
'''


def test_body_lines_leaves_out_signature_and_docstring():
    (function,) = functions(ast.parse(SAMPLE_FUNCTION))
    assert body_lines(function) == 2
