"""GD3xx and GD4xx: plates, shapes and supports."""

from __future__ import annotations

__all__ = ["CODES"]

CODES: dict[str, tuple[str, str]] = {
    "GD301": (
        "Plate missing on the left side",
        """\
The right side may vary only over the plates that the left side declares: otherwise there
would be several values for one. Index the value, reduce it, or declare the plate.
Bad: `observe y[house] ~ Normal(alpha, 1)`, with `alpha[county]`
Good: `observe y[house] ~ Normal(alpha[county_of], 1)`""",
    ),
    "GD302": (
        "Wrong shape for this place",
        """\
A parameter of a distribution has all of the value's leading event axes or none, and its own
axes last; matrix functions have rules of their own. Sizes agree by name.
Bad: `observe y[n]: real ~ Normal(x, 1)`, with `input x[n]: real[1]`
Good: `observe y[n]: real ~ Normal(x[0], 1)`""",
    ),
    "GD303": (
        "Shapes that should be one",
        """\
The entries of a list, the equations of a `let`, and a claimed type and its value have one
event shape.
Bad: `let w: real[3] = [a, b]`
Good: `let w: real[3] = [a, b, 0]`""",
    ),
    "GD304": (
        "Shapes that do not agree",
        """\
Entry by entry, operands have the same event shape by the names of their sizes, or one of them
is a scalar. Nothing of size 1 stretches, and two names stay two even if both are 3.
Bad: `x * b`, with `x: real[feature]` and `b: real[item]`
Good: `x * b`, with both `real[feature]`""",
    ),
    "GD305": (
        "Vector or scalar expected",
        """\
Functions of whole vectors, such as softmax, need an event axis; `full` repeats a scalar. A
plate becomes an event axis with `collect(x, p)`.
Bad: `softmax(u)`, with `u[option]`
Good: `softmax(collect(u, option))`""",
    ),
    "GD306": (
        "Not a size",
        """\
Sizes are whole numbers, names of axes, and their sums and products, so that shapes can be
compared before any data are read.
Bad: `dim H = D / 2`
Good: `dim H  dim D = 2 * H`""",
    ),
    "GD307": (
        "Size that depends on a value",
        """\
Sizes are fixed before inference starts. A number of things that is itself unknown is modelled
with a larger plate and a variable that says which members are in use.
Bad: `latent k ~ Poisson(10)  plate n = k`
Good: `plate n = 40  latent used[n] ~ Bernoulli(p)`""",
    ),
    "GD308": (
        "Impossible size",
        """\
Sizes are not negative, and small enough to compute with. A size of 0 is legal.
Bad: `plate n = -3`
Good: `plate n = 3`, or `plate n`, whose size the data tell""",
    ),
    "GD309": (
        "Nothing to reduce",
        """\
With one argument, sum, mean and the like reduce the event axes of a value. Plates are reduced
by name.
Bad: `mean(age)`, with `age[person]`
Good: `mean(age, person)`""",
    ),
    "GD310": (
        "No such axis to reduce or collect",
        """\
The second argument names a plate, or an event axis, of the first. The largest of two values
is `maximum(a, b)`; `max` reduces.
Bad: `mean(a, person)`, with `a[school]`
Good: `mean(a, school)`""",
    ),
    "GD311": (
        "Subscript of the wrong kind",
        """\
On the right side a subscript is an index, a plate's own name, a lag such as `t-1`, or a whole
number. It is read by its type, so a number that points into a plate is declared as an index.
Bad: `alpha[g]`, with `input g[n]: count`
Good: `alpha[g]`, with `input g[n]: index(group)`""",
    ),
    "GD312": (
        "No such axis",
        """\
The subscript addresses an axis that the value does not have. Axes that are not mentioned stay,
and align by name.
Bad: `ability[school_of]`, with `ability[pupil]`
Good: `effect[school_of]`, with `effect[school]`""",
    ),
    "GD313": (
        "Number that addresses no event axis",
        """\
Plain numbers address event axes in order. A member of a plate is taken by name.
Bad: `theta[0]`, with `theta[school]`
Good: `theta[school=0]`""",
    ),
    "GD314": (
        "Outside the axis",
        """\
Entries, members and steps are numbered from 0; negative numbers count from the end.
Bad: `b[3]`, with `b: real[3]`
Good: `b[2]`, or `b[-1]`""",
    ),
    "GD315": (
        "Lag or step in a plate",
        """\
The members of a plate have no order. A sequence is a plate with one.
Bad: `plate day  observe y[day] ~ Normal(y[day-1], 1)`
Good: `sequence day  observe y[day] ~ Normal(y[day-1], 1)`""",
    ),
    "GD316": (
        "Lag of an expression",
        """\
A lag is taken of a variable, so that its earlier values have a name.
Bad: `(log(x))[t-1]`
Good: `log(x[t-1])`""",
    ),
    "GD317": (
        "lags of no sequence",
        """\
`lags(y, K)` is the vector of the last K values of a variable along its one sequence.
Bad: `lags(x, 3)`, with `plate day  input x[day]: real`
Good: the same with `sequence day`""",
    ),
    "GD318": (
        "Number of lags that is not known",
        """\
The number of lags follows from the text, since it decides which steps are modelled.
Bad: `dim K  ... lags(y, K)`
Good: `dim K = 3  ... lags(y, K)`""",
    ),
    "GD319": (
        "Vector distribution for a scalar",
        """\
The distribution draws whole vectors; the declared type is smaller.
Bad: `latent w: unit ~ Dirichlet([1, 1])`
Good: `latent w: simplex[2] ~ Dirichlet([1, 1])`""",
    ),
    "GD320": (
        "Size that nothing determines",
        """\
Where all parameters are scalars, the type says how long the drawn vector is.
Bad: `latent w ~ Dirichlet(1)`
Good: `latent w: simplex[3] ~ Dirichlet(1)`""",
    ),
    "GD321": (
        "Energy that is not a scalar",
        """\
An energy is one number for each member of its plates, over which it is summed. Event axes are
summed by the author.
Bad: `energy x ** 2`, with `x: real[D]`
Good: `energy sum(x ** 2)`""",
    ),
    "GD322": (
        "Axis of size 1",
        """\
A column of data, of shape (N, 1), has crept into a distribution whose variable has no declared
type. Elsewhere this makes N by N values without a word; here the entry is taken by hand.
Bad: `observe y[n] ~ Normal(b * x, 1)`, with `input x[n]: real[1]`
Good: `observe y[n] ~ Normal(b * x[0], 1)`""",
    ),
    "GD323": (
        "Axis that a variable would have twice",
        """\
A vector with an entry for every member of a plate stands where each member needs its own entry.
Bad: `observe y[p] ~ Normal(f, 1)`, with `latent f: real[p] ~ Normal(0, 1)`
Good: `observe y[p] ~ Normal(f[p], 1)`, with `latent f: real[p] ~ Normal(0, 1)`""",
    ),
    "GD330": (
        "Ragged sequence taken for an even one",
        """\
Along `sequence t[song]` each song has its own number of steps; steps beyond it are absent, and no
part of any density. What would count, combine or look at them is refused; step by step, with lags,
and through a recurrent network, everything is as along any sequence.
Bad: `let m[song] = mean(z, t)`
Good: `let m[song]: real[t, H] = read(collect(z, t))`, where
`net read: real[t] -> real[t, H] = gru()`""",
    ),
    "GD401": (
        "Parameter outside its support",
        """\
It must be certain, from the types alone, that a parameter is legal: a scale that may become
negative fails in the middle of a run. What is certain for other reasons is claimed with a
type, and checked as the model runs.
Bad: `observe y[n] ~ Poisson(a - b)`
Good: `let rate: positive = a - b  observe y[n] ~ Poisson(rate)`""",
    ),
    "GD402": (
        "Function outside its domain",
        """\
Logarithms and roots need positive values, conditions need 0 or 1, and no division is by zero.
As with parameters, this must be certain from the types.
Bad: `log(dose)`, with `input dose[n]: real`
Good: `log(dose)`, with `input dose[n]: positive`""",
    ),
    "GD403": (
        "Type and distribution exclude each other",
        """\
A declared type keeps those values of the distribution that are of the type; here none are, or
they are of another kind. A discrete distribution is narrowed by a type of whole numbers.
Bad: `latent p: unit ~ Poisson(3)`
Good: `latent k: integer(0, 5) ~ Poisson(3)`""",
    ),
    "GD404": (
        "Claim that cannot hold",
        """\
The type on a `let` or param is a claim about its value, and this value contradicts it. The
result type of a `fn` is even proved.
Bad: `let s: positive = -exp(a)`
Good: `let s: positive = exp(a)`""",
    ),
    "GD405": (
        "Narrowing without a formula",
        """\
A narrower type divides the density by the probability of the type. Where that depends on
unknowns and has no formula, or is zero, leaving it out would be wrong.
Bad: `latent cut: ordered[3] ~ Normal([a, 0, 1], 1)`
Good: `latent cut: ordered[3] ~ Normal(a, 1)`, which is in order once in 3!""",
    ),
    "GD406": (
        "Density known up to a constant",
        """\
The probability of the narrower type has no formula here, but depends on nothing unknown.
Inference does not need it; the value of `log_density` lacks it.
Bad: `latent cut: ordered[3] ~ Normal([-1, 0, 1], 1)`
Good: `latent cut: ordered[3] ~ Normal(0, 1)`, whose constant is known""",
    ),
    "GD407": (
        "Distribution without values",
        """\
The lower end of an interval lies below the upper one.
Bad: `Uniform(1, 0)`
Good: `Uniform(0, 1)`""",
    ),
}
