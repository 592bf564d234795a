"""GD850 to GD855: training by stochastic gradients."""

from __future__ import annotations

__all__ = ["CODES"]

CODES: dict[str, tuple[str, str]] = {
    "GD850": (
        "training stopped: steps are not finite",
        "A step whose loss, terms or gradient are not finite changes nothing and is counted. When "
        "too many come in a row, the training stops and names the first term that is not finite, "
        "or the parameters whose gradient is not. The weights are those of the last good step. "
        "A term that has never been finite is wrong by itself: a logarithm or a division that "
        "reaches 0, a scale without a lower bound. One that stopped being finite went too far: a "
        "lower learning rate, a warm-up or `clip_norm` help.",
    ),
    "GD851": (
        "an option of the training is wrong",
        "Optimisers, schedules and scores are chosen by name, and each option has values that it "
        "may have. Nothing is trained before all of them have been checked.",
    ),
    "GD852": (
        "the rows cannot be trained on",
        "Training reads rows: arrays, files or data sets whose first axis is the same rows for "
        "all, at least one, of numbers or flags. Text, missing entries of tables and lists of "
        "different lengths have to be turned into such arrays first.",
    ),
    "GD853": (
        "the folder holds a checkpoint already",
        "Checkpoints of one training are never replaced by those of another. `resume=True` goes "
        "on with the training in the folder, if model, data and options are the same; the number "
        "of epochs may grow. For another training choose another folder.",
    ),
    "GD854": (
        "the checkpoint is of another training",
        "A resumed training becomes what it would have become without the interruption. That "
        "holds only for the same parameters, data, seed and options, which are compared by name. "
        "Where the learning rate depends on the share of the steps that are done, the number of "
        "epochs must be the same too.",
    ),
    "GD855": (
        "there is nothing to train",
        "Training moves parameters by the gradient of a loss. There are none, or the loss does "
        "not depend on any of them, perhaps because it was computed without gradients.",
    ),
}
