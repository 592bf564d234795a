"""Checking is light: no heavy imports, and time that grows with the size of the file."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gendsl.diagnostics import CompileError
from gendsl.frontend import check
from gendsl.source import Source

MODELS = Path(__file__).parents[1] / "golden" / "valid" / "models"
HEAVY = {"torch", "numpy", "networkx", "pandas", "pyro", "scipy", "xarray", "matplotlib", "rich"}
SCRIPT = """
import json, sys, time
start = time.process_time()
from gendsl.frontend import check
from gendsl.source import Source
text = open(sys.argv[1], encoding="utf-8").read()
check(Source("model.gen", text))
print(json.dumps([time.process_time() - start, sorted({m.split(".")[0] for m in sys.modules})]))
"""


def fresh(path: Path) -> tuple[float, set[str]]:
    """CPU seconds and top-level modules of a check in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path)], capture_output=True, text=True, check=True
    )
    seconds, modules = json.loads(done.stdout)
    return seconds, set(modules)


def test_a_check_imports_nothing_heavy_and_is_quick(tmp_path):
    one = (MODELS / "dose_response.gen").read_text("utf-8")
    path = tmp_path / "model.gen"
    lines = "".join(
        f"latent extra{i} ~ Normal(0, 1)\nlet twice{i} = 2 * extra{i}\n" for i in range(18)
    )
    path.write_text(one + lines, "utf-8")
    assert len(path.read_text("utf-8").splitlines()) >= 50

    runs = [fresh(path) for _ in range(3)]

    assert not HEAVY & runs[0][1]
    assert min(seconds for seconds, _ in runs) < 2.0  # 0.15 on an idle machine


def seconds_to_check(text: str) -> float:
    start = time.process_time()
    try:
        check(Source("large.gen", text))
    except CompileError:
        pass
    return time.process_time() - start


def statements(pattern: str, last: str, limit: int = 120_000) -> str:
    """As many lines of a pattern, counted by {i} with {j} before it, as fit into `limit`."""
    lines = ["model Large", "plate n", "latent a0 ~ Normal(0, 1)"]
    size, i = 0, 0
    while size < limit:
        i += 1
        lines.append(pattern.format(i=i, j=i - 1))
        size += len(lines[-1]) + 1
    return "\n".join([*lines, last.format(i=i)]) + "\n"


OBSERVE = "observe y[n] ~ Normal(a{i}, 1)"
LARGE = {
    "chain of lets": statements("let a{i} = a{j} + 1", OBSERVE),
    "chain of latents": statements("latent a{i} ~ Normal(a{j}, 1)", OBSERVE),
    "independent": statements("latent a{i} ~ Normal(0, 1)", OBSERVE),
    "sizes": statements("dim a{i}d = 2", OBSERVE.replace("{i}", "0")),
    "dims of dims": statements("dim d{i} = 3 + d{j}", OBSERVE.replace("{i}", "0")),
    "unknown names": statements("let a{i} = bb{i} + 1", OBSERVE),
    "same unknown name": statements("let a{i} = missing + a{j}", OBSERVE),
    "duplicates": statements("latent a0 ~ Normal({i}, 1)", OBSERVE.replace("{i}", "0")),
    "base cases": "sequence t\n".join(
        statements("observe s[{i}] ~ Normal({i}, 1)", "observe s[t] ~ Normal(0, 1)").split(
            "plate n\n"
        )
    ),
    "circle": statements("let a{i}c = a{j}c + 1", "let a0c = a{i}c"),
    "functions": statements("fn f{i}(x: real): real = x + {j}", OBSERVE.replace("{i}", "0")),
    "functions of functions": statements(
        "fn f{i}(x: real): real = f{j}(x) + f{j}(x)",
        "fn f0(x: real): real = x\n" + OBSERVE.replace("{i}", "0"),
    ),
    "calls": statements(
        "fn f{i}(x: real): real = " + " + ".join(["f0(x)"] * 11),
        "fn f0(x: real): real = " + "x * x + " * 50 + "x\n" + OBSERVE.replace("{i}", "0"),
    ),
    "nested calls": statements(
        "let a{i} = " + "f(" * 12 + "a0" + ")" * 12,
        "fn f(x: real): real = x * x\n" + OBSERVE.replace("{i}", "0"),
    ),
    "energies": statements(
        "latent b{i}: real energy (b{i} - a0) ** 2", OBSERVE.replace("{i}", "0")
    ),
    "energies of neighbours": statements(
        "latent b{i}: real energy (b{i} - b{j}) ** 2",
        "latent b0: real\n" + OBSERVE.replace("{i}", "0"),
    ),
    "flat sum": "model Large\nplate n\nlatent a ~ Normal(0, 1)\nobserve y[n] ~ Normal("
    + " + ".join(["a"] * 30_000)
    + ", 1)\n",
    "flat product": "model Large\nplate n\nlatent a ~ Normal(0, 1)\nobserve y[n] ~ Normal("
    + " * ".join(["a"] * 30_000)
    + ", 1)\n",
}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_file_is_checked_at_once(name):
    text = LARGE[name]
    assert len(text) <= 128 * 1024

    assert seconds_to_check(text) < 15  # 2 on an idle machine


def test_a_long_sum_is_one_flat_operation():
    terms = " + ".join(["a"] * 5_000)
    model = check(
        Source(
            "sum.gen",
            f"model M\nlatent a ~ Normal(0, 1)\nlet s = {terms}\nobserve y ~ Normal(s, 1)\n",
        )
    ).ir
    (equation,) = model.variable("s").equations
    assert equation.value is not None
    assert len(equation.value.args) == 5_000


def test_functions_nest_no_deeper_than_expressions():
    lines = ["model M", "fn f0(x: real): real = x"]
    lines += [f"fn f{i}(x: real): real = {'exp(' * 30}f{i - 1}(x){')' * 30}" for i in range(1, 40)]
    text = "\n".join([*lines, "latent a ~ Normal(0, 1)", "observe y ~ Normal(f39(a), 1)"])
    with pytest.raises(CompileError) as caught:
        check(Source("deep.gen", text))
    assert [d.code for d in caught.value.diagnostics] == ["GD511"]
