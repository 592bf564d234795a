"""GD8xx: saved runs, summaries and plots."""

from __future__ import annotations

__all__ = ["CODES"]

CODES: dict[str, tuple[str, str]] = {
    "GD801": (
        "not a saved run",
        "A saved run is the folder that `fit.save` or `gendsl fit --out` writes: `model.gen`, "
        "`data.npz`, `posterior.nc` and `meta.json`. The folder does not exist, or its "
        "`meta.json` is missing or is not one of gendsl's.",
    ),
    "GD802": (
        "a file of a saved run is missing",
        "Every file of a run is written before its folder gets its name, so a missing one was "
        "removed, or not copied, afterwards. Copy the whole folder again, or fit again.",
    ),
    "GD803": (
        "a file of a saved run is damaged",
        "The file cannot be read as what it should be. Most often a copy or a download stopped "
        "early. Copy the whole folder again, or fit again.",
    ),
    "GD804": (
        "a file of a saved run was changed",
        "`meta.json` records the size and the SHA-256 sum of every file. One of them differs, so "
        "that draws, data and model may no longer belong together. The sums find accidents; they "
        "are no signature. To use a changed model or new data, fit again.",
    ),
    "GD805": (
        "a saved run is newer than this gendsl",
        "The layout of saved runs has a version number, and this one is higher than what the "
        "installed gendsl can read. Upgrade gendsl.",
    ),
    "GD806": (
        "the folder holds other files",
        "A run is only ever written to a new or an empty folder, or over an earlier run, so "
        "that no other work is lost. Choose another folder, or move the files away.",
    ),
    "GD807": (
        "there is a run already",
        "The folder holds an earlier run, and nothing is overwritten unasked. Choose another "
        "folder, or ask for it with `overwrite=True`.",
    ),
    "GD808": (
        "a file of a saved run is not safe to read",
        "A saved run holds plain numbers, text and nothing else: no links to other files, no "
        "pickled Python objects, no arrays larger than the file that holds them. This one does, "
        "so it was not written by gendsl. It is refused unread.",
    ),
    "GD809": (
        "the result could not be written",
        "The operating system refused: no permission, no space, or the parent is not a folder. "
        "Nothing is left behind of an unfinished run.",
    ),
    "GD810": (
        "a value cannot be saved",
        "Saved are arrays of numbers, booleans, dates and text, and facts that JSON can hold. "
        "Python objects are refused, since reading them back would mean to run them.",
    ),
    "GD811": (
        "no such quantity",
        "A summary, a plot or a question about the graph was asked for a name that is not there. "
        "Latents, params and `let`s of the model are, under the names that the model gives them.",
    ),
    "GD812": (
        "the results do not hold what this needs",
        "A plot of draws needs draws; a predictive check needs observed values and replicated "
        "ones for the same variable.",
    ),
    "GD813": (
        "a probability outside (0, 1)",
        "The probability of an interval lies strictly between 0 and 1: 0.9 for a 90 % interval.",
    ),
    "GD830": (
        "the output file exists",
        "A command never replaces a file unasked. Name another file, or pass `--overwrite`.",
    ),
    "GD831": (
        "output over input",
        "The file named for the output is one that the command reads: the model or data. It is "
        "not replaced, even with `--overwrite`.",
    ),
    "GD832": (
        "nothing of that name to explain",
        "`gendsl explain` knows the codes of messages, distributions, functions, operators and "
        "methods of inference. Without a word it lists the codes.",
    ),
}
