"""GD814 to GD829: what a model is asked for, and what goes wrong while it runs."""

from __future__ import annotations

__all__ = ["CODES"]

CODES: dict[str, tuple[str, str]] = {
    "GD814": (
        "a point estimate has no draws",
        "The fit searched for one best value, so there is no posterior to draw from or to "
        'summarise. Read `fit.estimate`, or fit with `infer="nuts"`.',
    ),
    "GD815": (
        "draws are no point estimate",
        "The fit drew from the posterior. Read `fit.posterior` or `fit.summary()`.",
    ),
    "GD816": (
        "no such plot",
        "The message lists the kinds of plots.",
    ),
    "GD817": (
        "a param has no value for new members",
        "A param over a plate was learned for the members in the data given to `fit`. For other "
        "members nothing is known of it; a latent would be drawn from its distribution.",
    ),
    "GD818": (
        "no such unknown",
        "A value was given for a name that is no latent or param of the model. Nothing of the "
        "kind is ignored, since it would change the result without a word.",
    ),
    "GD819": (
        "a value of another shape",
        "The value given for an unknown has the shape of its plates, in the order of its "
        "declaration, and then of its event axes.",
    ),
    "GD820": (
        "a value is missing",
        "A density of all unknowns needs a value for each of them.",
    ),
    "GD821": (
        "no starting point",
        "At none of the points that were tried are the density and its slope finite. Usually "
        "some row of the data is impossible under the model, or a prior is so wide that its "
        "values overflow. The message names the equations without a finite density.",
    ),
    "GD822": (
        "an improper prior cannot be drawn from",
        "`Flat()`, and variables that only an energy mentions, have no finite total probability. "
        "They can be fitted, but nothing can be simulated from them. Give a proper prior.",
    ),
    "GD823": (
        "no such dtype",
        "Numbers are float64, or float32 where memory or a GPU asks for it.",
    ),
    "GD824": (
        "no such device",
        "The device is cpu, or cuda where the machine has one that torch can use.",
    ),
    "GD825": (
        "a value left its support while the model ran",
        "A parameter that the types could not rule out became illegal, such as a claim "
        "`let r: positive = a - b` that does not hold, or a value of the data lies outside what "
        "its distribution allows. The message shows the expression.",
    ),
    "GD826": (
        "a matrix is not positive definite",
        "Covariances must have a Cholesky factor. Rounding can spoil one that should: add a "
        "small number to its diagonal, such as `S + 0.000001 * eye(D)`.",
    ),
    "GD827": (
        "not enough memory",
        "The arrays of the model and its data do not fit. Use float32, fewer chains, or fewer "
        "rows.",
    ),
    "GD828": (
        "the model cannot be computed",
        "An operation failed at the expression that the message marks.",
    ),
    "GD829": (
        "held-out rows cannot be scored",
        "The density of a held-out row needs its own discrete latents summed out, or the norming "
        "constant of an energy. This version does neither; compare predictions with the values.",
    ),
    "GD834": (
        "discrete latents cannot be summed out",
        "Variables that are tied to one another are summed out of one table, with an entry for "
        "each combination of their values; with these data it has more than 2^24. Give them "
        "fewer values or fewer members, or tie fewer of them: a chain or a tree is cheap, a sum "
        "over many members of a plate is not. Where a sum of many is what is wanted, a law of the "
        "sum itself, such as a Binomial, may say the same.",
    ),
    "GD833": (
        "an argument of a call is of the wrong kind",
        "The message says what the argument takes. A seed is a whole number from 0, `cores` and "
        "`draws` are whole numbers from 1, `columns` and `sizes` are dicts by name. Nothing is "
        "rounded or guessed.",
    ),
}
