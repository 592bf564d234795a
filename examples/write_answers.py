"""Compute every example's known answer, and write it to its `answer.json` and its README.

``python examples/write_answers.py`` needs numpy, scipy and pandas, not gendsl.
"""

import json
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
START, END = "<!-- answer: written by write_answers.py -->", "<!-- end of answer -->"


def names():
    """The examples, in alphabetical order."""
    return sorted(path.parent.name for path in FOLDER.glob("*/answer.py"))


def compute(name):
    """Posterior mean and sd of each quantity of an example."""
    if str(FOLDER) not in sys.path:
        sys.path.insert(0, str(FOLDER))
    spec = spec_from_file_location(f"answer_of_{name}", FOLDER / name / "answer.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return {key: {"mean": mean, "sd": sd} for key, (mean, sd) in module.answer().items()}


def read(name):
    """The answer on file."""
    return json.loads((FOLDER / name / "answer.json").read_text(encoding="utf-8"))


def table(answer):
    """The answer as it stands in a README, to four digits."""
    rows = [f"| `{key}` | {v['mean']:.4g} | {v['sd']:.4g} |" for key, v in answer.items()]
    return "\n".join([START, "", "| quantity | mean | sd |", "|---|--:|--:|", *rows, "", END])


def with_table(text, answer):
    """A README with its table replaced."""
    before, _, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError("the README has no place for the answer")
    return before + table(answer) + after


def main():
    """Write everything."""
    for name in names():
        rounded = {
            key: {k: float(f"{x:.8g}") for k, x in v.items()} for key, v in compute(name).items()
        }
        (FOLDER / name / "answer.json").write_text(json.dumps(rounded, indent=2) + "\n", "utf-8")
        readme = FOLDER / name / "README.md"
        readme.write_text(with_table(readme.read_text("utf-8"), rounded), "utf-8")
        print(f"wrote {name}")


if __name__ == "__main__":
    main()
