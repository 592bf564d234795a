"""GD5xx, GD6xx and GD9xx: the model as a whole, inference, and what is still to come."""

from __future__ import annotations

__all__ = ["CODES"]

CODES: dict[str, tuple[str, str]] = {
    "GD501": (
        "Circle of dependencies",
        """\
Declarations are equations in any order, but each quantity must follow from others. It may
depend on itself only through a lag along a sequence, or through a causal network.
Bad: `latent a ~ Normal(b, 1)  latent b ~ Normal(a, 1)`
Good: `latent a ~ Normal(0, 1)  latent b ~ Normal(a, 1)`""",
    ),
    "GD502": (
        "Recursive function",
        """\
The body of a `fn` is put in place of each call, so that a function cannot call itself.
Bad: `fn f(k: real): real = k * f(k - 1)`
Good: `let f[0]: real = 1  let f[t]: real = t * f[t-1]`""",
    ),
    "GD503": (
        "Reference to a later step",
        """\
Along a sequence, later steps depend on earlier ones.
Bad: `observe y[t] ~ Normal(y[t+1], 1)`
Good: `observe y[t] ~ Normal(y[t-1], 1)`""",
    ),
    "GD504": (
        "Base case alone",
        """\
A number on the left side is one step of a sequence; the other steps need an equation too.
Bad: `latent z[0] ~ Normal(0, 1)`
Good: `latent z[0] ~ Normal(0, 1)  latent z[t] ~ Normal(z[t-1], 1)`""",
    ),
    "GD505": (
        "Energy without a random variable",
        """\
An energy multiplies the density by exp(-E). Of inputs and params alone it is no density.
Bad: `energy w ** 2`, with `input w: real`
Good: `energy (z - w) ** 2`, with `latent z: real`""",
    ),
    "GD506": (
        "Random variable without a law",
        """\
A latent or an observed variable has a distribution, or an energy that mentions it.
Bad: `latent mu: real`
Good: `latent mu ~ Normal(0, 10)`""",
    ),
    "GD507": (
        "Nothing random",
        """\
A model has something random: an observed variable, or a latent one.
Bad: `input x[n]: real  let y[n] = 2 * x`
Good: `input x[n]: real  observe y[n] ~ Normal(2 * x, 1)`""",
    ),
    "GD508": (
        "Step without an equation",
        """\
An equation with a lag holds where the lag exists. Data at the first steps are given; a latent,
or a `let` that is used, needs a base case there.
Bad: `let change[t] = x - x[t-1]`
Good: `let change[0] = 0  let change[t] = x - x[t-1]`""",
    ),
    "GD509": (
        "Nothing observed depends on it",
        """\
A warning: the posterior of this latent is its prior, or this param cannot be learned. Often a
term was forgotten in the equation of the data.
Bad: `latent b ~ Normal(0, 1)  observe y[n] ~ Normal(a, 1)`
Good: `latent b ~ Normal(0, 1)  observe y[n] ~ Normal(a + b * x, 1)`""",
    ),
    "GD510": (
        "Input or net without a use",
        """\
A warning: data must be given for an input that nothing in the model depends on, and a net that
nothing calls is not learned. An encoder is used by a guide, `guide z ~ Normal(encode(x))`.
Bad: `input age[n]: real  observe y[n] ~ Normal(a, 1)`
Good: `input age[n]: real  observe y[n] ~ Normal(a + b * age, 1)`""",
    ),
    "GD511": (
        "Function that stands for too much",
        """\
The bodies of functions are put in place of their calls. Functions that call functions several
times grow without bounds that way.
Bad: `fn g(x: real): real = f(f(f(x))) + f(f(x))`, and so on for `f`
Good: `let once = f(x)  let twice = f(once)`""",
    ),
    "GD512": (
        "Variable that reaches its own later entries",
        """\
Through a net declared `-> causal` a variable may stand in its own equation: entry i of its law
then depends on its entries before i. Before the net and after it each entry stays by itself, other
arguments of the net are not the variable, and the distribution draws each entry by itself.
Bad: `observe x[n]: real[D] ~ Normal(f(x) + mean(x), 1)`
Good: `observe x[n]: real[D] ~ Normal(f(x), 1)`, with
`net f: real[D] -> causal real[D] = made()`""",
    ),
    "GD601": (
        "Latent count without a bound",
        """\
Discrete latents are summed out, which needs finitely many values, and NUTS moves continuous
ones only.
Bad: `latent k ~ Poisson(5)`
Good: `latent k ~ Binomial(20, p)`; or integrate it out: Poisson with a Gamma rate is
NegativeBinomial""",
    ),
    "GD602": (
        "Guide for something that is not inferred",
        """\
A guide is the family of distributions to approximate the posterior of a latent, or of the missing
values of an observed variable on which others depend. Missing values on which nothing depends
drop out of the density, and need no guide.
Bad: `guide x ~ Normal(0, 1)`, with `input x: real`
Good: `guide mu ~ Normal(0, 1)`, with `latent mu ~ ...`; `guide label ~ Categorical(logits=f(x))`,
with `observe label[n]: index(digit)? ~ ...` and `observe x[n] ~ Normal(mu[label], 1)`""",
    ),
    "GD603": (
        "Guide that gives other values than its latent has",
        """\
The draws of a guide are values of the latent, and any value that the latent can have is among
them: else part of the posterior would be left out, or have density zero. Latents without a guide
of their own get one that fits.
Bad: `guide tau ~ Normal(0, 1)`, with `latent tau ~ HalfNormal(5)`
Good: `guide tau ~ LogNormal(0, 1)`, or no guide for tau""",
    ),
    "GD604": (
        "Guide over other plates, or guides in a circle",
        """\
A guide has the plates of its latent. It may use other latents, if their guides do not depend on
it in turn.
Bad: `guide theta[pupil] ~ ...`, with `latent theta[school] ~ ...`
Good: `guide theta[school] ~ ...`, or `guide theta ~ ...`""",
    ),
    "GD605": (
        "Unknown inference method",
        """\
`infer` names a method: nuts, enumeration, exact, svi, mle or map. Without it, the compiler
chooses.
Bad: `infer nust`
Good: `infer nuts`""",
    ),
    "GD606": (
        "Unknown option",
        """\
Options of a method are given by name; an unknown one is never ignored.
Bad: `infer nuts(chain = 4)`
Good: `infer nuts(chains = 4)`""",
    ),
    "GD607": (
        "Option out of range",
        """\
Every option is a number in a range, or one of several words, which the message prints.
Bad: `infer nuts(chains = 2.5)`
Good: `infer nuts(chains = 2)`""",
    ),
    "GD608": (
        "Energy whose constant depends on a latent",
        """\
A density given by an energy is divided by its integral Z. Where Z depends on a latent, leaving it
out gives wrong answers, and no method computes it: the posterior is doubly intractable. Where it
depends on params or nets, methods that account for it train the energy.
Bad: `latent a ~ HalfNormal(1)  observe x[n]: real  energy a * x ** 2`
Good: `param a: positive  observe x[n]: real  energy a * x ** 2`""",
    ),
    "GD609": (
        "Missing counts that others depend on",
        """\
A missing value on which others depend is summed out if it has finitely many values, and
inferred if it is continuous. Counts without a bound are neither.
Bad: `observe k[n]: count? ~ Poisson(5)  observe y[n] ~ Normal(k, 1)`
Good: `observe k[n]: integer(0, 20)? ~ ...`""",
    ),
    "GD610": (
        "No method fits",
        """\
None of the methods can infer this model; the message gives the reason of each.
Bad: a model with latents that no rule sums out and NUTS cannot move
Good: the same with these latents bounded, or integrated by hand""",
    ),
    "GD611": (
        "Nothing to infer",
        """\
The model has no latent and no param: its data have a density, but there is no posterior.
Bad: `observe y[n] ~ Normal(0, 1)`, and `fit`
Good: `latent mu ~ Normal(0, 1)  observe y[n] ~ Normal(mu, 1)`""",
    ),
    "GD612": (
        "A method that cannot be used",
        """\
The method that was asked for cannot infer this model; the message gives its reason, and the
methods that can infer it.
Bad: `latent mu ~ Normal(0, 1)  observe y[n] ~ Normal(mu, 1)`, and `infer='mle'`
Good: the same, and `infer='nuts'`; or `param mu: real`, and `infer='mle'`""",
    ),
    "GD613": (
        "Unknown with single values of positive probability",
        """\
A censored value, or one behind a hurdle, lies on a bound or at zero with a positive probability,
and anywhere else with a density. No method here infers such an unknown. Observe it; or draw the
value itself, and whether it is zero, as two latents.
Bad: `latent x ~ Hurdle(0.3, LogNormal(0, 1))`
Good: `latent on ~ Bernoulli(0.7)  latent size ~ LogNormal(0, 1)  let x = on * size`""",
    ),
    "GD614": (
        "A treatment that a variable cannot have",
        """\
`treat` says what is done with single variables in place of what the plan would do: `sampled`
leaves a latent to the sampler, `marginalised` integrates it out, `centred` and `noncentred`
choose how it is written, and `rows` weighs every row of observed variables. Each needs a
variable of its kind: only latents with a conjugate law can be integrated out, only those of a
location-scale family with an unknown scale can be non-centred.
Bad: `fit(data, treat={"sigma": "noncentred"})` with `latent sigma ~ HalfNormal(1)`
Good: `fit(data, treat={"alpha": "noncentred"})` with `latent alpha[g] ~ Normal(mu, sigma)`""",
    ),
    "GD621": (
        "Guide that needs a value which may be missing",
        """\
A guide computes the law of a latent from data, for rows with gaps as well. A network whose
argument is declared with `?` gets zeros in the gaps and which entries are known; a factor of a
`Product` drops out for the rows in which what it needs is missing. Nothing else can do without.
Bad: `net encode: real[D] -> (loc: real, scale: positive) = mlp()  guide z ~ Normal(encode(x))`,
with `observe x[n]: real[D]? ~ ...`
Good: the same, with `net encode: real[D]? -> ...`""",
    ),
    "GD622": (
        "Product of which factors cannot drop out",
        """\
A factor of a `Product` in a guide drops out for the rows in which a value that it needs is
missing; one of a network that takes gaps, where all entries are. The product of what is left must
be a distribution for every row: factors that may drop out are normal, whose precisions are added,
each of them needs values of its own row alone, and one factor stays whatever is missing.
Bad: `guide z ~ Product(Normal(ea(a)), Normal(eb(b)))`, where both may be missing
Good: `guide z ~ Product(Normal(0, 1), Normal(ea(a)), Normal(eb(b)))`""",
    ),
    "GD623": (
        "Codebook that could not be learned",
        """\
In a guide `nearest` quantises: gradients of the model go straight through to the vectors, and
terms of their own draw the members of the codebook and the vectors to one another. For that it
must be all of the guide, and the codebook a param.
Bad: `guide k = nearest(encode(x), 2 * codebook, code)`
Good: `guide k = nearest(encode(x), codebook, code)`, with `param codebook[code]: real[C]`""",
    ),
}

_LATER = {
    "GD901": (
        "Networks of values that may be missing, outside guides",
        "`observe y[n] ~ Normal(f(x), 1)` with `net f: real[D]? -> real = mlp()`",
        "`net f: real[D] -> real = mlp(hidden=[10])`",
    ),
    "GD902": (
        "Flows that come from Python",
        "`flow f: real[D]`",
        "`flow f: real[D] = coupling(spline)`",
    ),
    "GD903": (
        "Guides of latents with moving bounds",
        "`latent b: real(0, 1 - a) ~ Uniform(0, 1 - a)`, `guide b ~ Uniform(0, 1)`",
        "no guide for this latent: a family that fits is chosen",
    ),
    "GD904": ("Fitted models and Python functions", "`use p: real[D]`", "its equations, written"),
    "GD905": (
        "Distributions of learned functions",
        "`Diffusion(denoise)`",
        "a distribution of the table, or a `Mixture` of them",
    ),
    "GD906": (
        "Rounding",
        "`observe height[n]: integer ~ Normal(mu, 10)`",
        "`observe height[n]: real ~ Normal(mu, 10)`",
    ),
    "GD907": (
        "Push-forwards",
        "`observe x[n] = exp(z)`",
        "`observe x[n]: positive ~ LogNormal(mu, sigma)`",
    ),
    "GD908": (
        "Ragged plates",
        "`plate word[doc]`",
        "`plate word  input doc_of[word]: index(doc)`",
    ),
    "GD909": ("A method of inference", "`infer laplace`", "`infer nuts`, or none"),
    "GD910": (
        "Supports that move with what is summed out or from step to step, and params that move",
        "`latent k ~ Binomial(3, 0.5)  latent b: real(0, 1 + k) ~ Flat()`",
        "`latent part: unit ~ Beta(1, 1)  let b = part * (1 + k)`",
    ),
    "GD911": (
        "Discrete latents whose values cannot be listed, or are drawn together",
        "`latent h: integer(0, 2)[D] ~ Multinomial(2, [0.2, 0.3, 0.5])`",
        "`plate unit  latent h[unit]: index(D) ~ Categorical([0.2, 0.3, 0.5])`",
    ),
    "GD913": (
        "A function, or what stands in one",
        "`fn f(t: real, z: real): real = ...` for `odeint`, with another `odeint` in it",
        "what does not change along the solution, handed over as an argument",
    ),
    "GD914": (
        "Predictions that fill gaps of a series, or draw a new one",
        "`observe y[t] ~ Normal(y[t-1], 1)` and `fit.predict({'y': [1.0, nan, 2.0]})`",
        "leave out the end of the series alone: `fit.predict({'y': [1.0, nan, nan]})`",
    ),
    "GD915": (
        "Draws from a model with an energy",
        "`simulate` for a model with `energy`",
        "`fit` for the same model",
    ),
    "GD916": (
        "Predictions where a value of the data is reduced over one of its plates",
        "`let centre[g] = mean(x, n)` with `input x[g, n]: real`, and `fit.predict(...)`",
        "`input centre[g]: real`, computed beforehand",
    ),
    "GD917": (
        "Predictions and scores for data that lack some values which others depend on",
        "`observe x[n]: real? ~ Normal(0, 1)`, `observe y[n] ~ Normal(b * x, 1)`, and "
        '`fit.predict({"x": [1.0, nan]})`',
        "leave those rows out, fill the values in, or leave `x` out altogether",
    ),
    "GD918": (
        "Predictions of a vector with an entry for each member of a plate, for other members",
        "`latent f: real[n] ~ GaussianProcess(collect(x, n), matern32(1, 0.5))`, and "
        "`fit.predict(...)` at other `x`",
        "a fit with the new rows among the data, and `observe y[n]: real? ~ ...` missing there",
    ),
    "GD919": (
        "Recursion along two sequences at once",
        "`observe y[t, s] ~ Normal(a * y[t-1] + b * y[s-1], 1)`",
        "`observe y[t, s] ~ Normal(a * y[t-1], 1)`, or one of the two as a plate",
    ),
    "GD921": (
        "Variables that reach earlier entries of themselves and earlier steps, or have gaps",
        "`observe x[t]: real[D] ~ Normal(f(x) + x[t-1], 1)`, `observe x[n]: real[D]? ~ "
        "Normal(f(x), 1)`",
        "`f(collect(x, t))[t]`, with a net over all steps; complete rows",
    ),
}
"""What later versions run: what it is, an example, and what to write until then."""

CODES |= {
    code: (
        f"{title}: not in this version",
        f"""\
This is part of the language, so the file is not wrong; this version of gendsl cannot run it.
It is refused rather than approximated silently.
Bad: {example}
Good, until then: {instead}""",
    )
    for code, (title, example, instead) in _LATER.items()
}
