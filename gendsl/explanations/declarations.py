"""GD1xx and GD2xx: names and types."""

from __future__ import annotations

__all__ = ["CODES"]

CODES: dict[str, tuple[str, str]] = {
    "GD101": (
        "Name declared twice",
        """\
A model has one set of names for plates, variables and functions, and each name is declared
once. Only a base case and a recursive case along a sequence are two equations of one name.
Bad: `input y[n]: real  observe y[n] ~ Normal(0, 1)`
Good: `observe y[n] ~ Normal(0, 1)`, which also says that y comes with the data""",
    ),
    "GD102": (
        "More than one infer",
        """\
A file has at most one `infer`: it is the default of `fit`, which can be given another choice.
Bad: `infer nuts  infer enumeration`
Good: `infer nuts`""",
    ),
    "GD103": (
        "Unknown size",
        """\
A size in square brackets is a number, or the name of a dim, plate or sequence.
Bad: `input x[n]: real[features]`, with no such dim
Good: `dim features  input x[n]: real[features]`""",
    ),
    "GD104": (
        "Unknown type",
        """\
The types are real, positive, unit, integer, count, binary, index, simplex, ordered, zero_sum,
unit_vector, angle, covariance, correlation and cholesky_correlation. Bounds and sizes follow the
word.
Bad: `input age[n]: float`
Good: `input age[n]: positive`""",
    ),
    "GD105": (
        "Not visible inside a function",
        """\
A `fn` sees its arguments, sizes and other functions, but no variables of the model: what a
call depends on can so be read off the call.
Bad: `fn decay(t: real): real = exp(-k * t)`
Good: `fn decay(t: real, k: positive): real = exp(-k * t)`""",
    ),
    "GD106": (
        "Distribution or function in place of a value",
        """\
Distributions stand after `~`. What they draw gets a name, and the name is used in expressions.
Bad: `let y = mu + Normal(0, 1)`
Good: `latent noise ~ Normal(0, 1)  let y = mu + noise`""",
    ),
    "GD107": (
        "Unknown name",
        """\
Every name in an expression is a variable, a plate, a dim, or an argument of the function that
it stands in. Case counts: `sigma` and `Sigma` are two names.
Bad: `observe y[n] ~ Normal(mu, sgma)`
Good: `observe y[n] ~ Normal(mu, sigma)`""",
    ),
    "GD108": (
        "Not a function",
        """\
Only functions are called. A product is written with `*`, and an entry is taken with brackets.
Bad: `slope(age - 40)`
Good: `slope * (age - 40)`""",
    ),
    "GD109": (
        "Unknown function",
        """\
The function is neither in the table of functions nor declared with `fn`. Several functions
have other names in other systems; the message then says the name here.
Bad: `expit(eta)`
Good: `inv_logit(eta)`""",
    ),
    "GD110": (
        "Unknown argument name",
        """\
Arguments that are given by name have the names of the distribution's or function's
parameters; an unknown one is never ignored.
Bad: `Normal(mean = 0, sd = 1)`
Good: `Normal(loc = 0, scale = 1)`, or `Normal(0, 1)`""",
    ),
    "GD111": (
        "Unknown distribution",
        """\
The distribution is not in the table. Types do what some systems have distributions for:
`positive` halves one, and bounds truncate it.
Bad: `latent tau ~ HalfLaplace(1)`
Good: `latent tau: positive ~ Laplace(0, 1)`""",
    ),
    "GD112": (
        "Plate listed twice",
        """\
A left side lists each plate once, since axes align by name. Pairs of members are a plate of
their own, with an index for each side.
Bad: `observe y[person, person] ~ Normal(0, 1)`
Good: `plate pair  input a[pair]: index(person)  input b[pair]: index(person)`""",
    ),
    "GD113": (
        "Not a plate",
        """\
The brackets on a left side list plates and sequences. A dim is a size within one value and
belongs to the type; an index belongs to the right side.
Bad: `latent b[feature] ~ Normal(0, 1)`, with `dim feature`
Good: `latent b: real[feature] ~ Normal(0, 1)`""",
    ),
    "GD114": (
        "Unknown plate",
        """\
Plates and sequences are declared before their members can be counted: `plate name`.
Bad: `observe y[schools] ~ Normal(0, 1)`, with `plate school`
Good: `observe y[school] ~ Normal(0, 1)`""",
    ),
    "GD115": (
        "Left side that is no list of plates",
        """\
A left side lists plates, sequences, and at most one number: a step of a sequence that has an
equation of its own.
Bad: `latent z[0, 1] ~ Normal(0, 1)`
Good: `latent z[0] ~ Normal(0, 1)  latent z[t] ~ Normal(z[t-1], 1)`""",
    ),
    "GD116": (
        "Equations with different axes",
        """\
All equations of a variable have the same plates in the same order; a base case has a number
in the place of the sequence.
Bad: `latent z[dog, 0] ~ ...  latent z[t] ~ ...`
Good: `latent z[dog, 0] ~ ...  latent z[dog, t] ~ ...`""",
    ),
    "GD201": (
        "Bounds that leave nothing",
        """\
The lower bound of a type lies below its upper bound; bounds of whole numbers are whole.
Bad: `latent rho: real(1, -1) ~ Flat()`
Good: `latent rho: real(-1, 1) ~ Flat()`""",
    ),
    "GD202": (
        "Wrong arguments of a type",
        """\
`real`, `integer` and `ordered` take two bounds or none, `index` takes the number of categories
or a plate, and the other types take none. Bounds are scalars, or shaped like the value.
Bad: `input score[n]: count(0, 100)`
Good: `input score[n]: integer(0, 100)`""",
    ),
    "GD203": (
        "Structured type without its size",
        """\
Vectors such as a simplex say how many entries they have. Covariances, correlations and their
Cholesky factors take one size, of rows and columns alike.
Bad: `latent w: simplex ~ Dirichlet(1)`
Good: `latent w: simplex[3] ~ Dirichlet(1)`""",
    ),
    "GD204": (
        "Several types for one value",
        """\
A variable has one type. Tuples and records describe the arguments and results of nets.
Bad: `input reading: (value: real, error: positive)`
Good: `input value: real  input error: positive`""",
    ),
    "GD205": (
        "Missing values where none are possible",
        """\
`?` says that values may be missing, and a missing value is filled in from its distribution.
So it stands on `observe`, where there is one.
Bad: `input age[n]: positive?`
Good: `observe age[n]: positive? ~ LogNormal(mu, tau)`""",
    ),
    "GD207": (
        "Type needed before it is known",
        """\
A quantity that refers to itself needs a declared type, unless a base case or the family of
its distribution tells it.
Bad: `let level[t] = 0.9 * level[t-1] + x`
Good: `let level[0]: real = x[t=0]  let level[t]: real = 0.9 * level[t-1] + x`""",
    ),
    "GD208": (
        "Categories of different kinds compared",
        """\
Members of a plate can be compared with members of the same plate, or with a literal number.
Bad: `home == work`, with `home: index(city)` and `work: index(firm)`
Good: `home == work`, with both `index(city)`; or `home == 3`""",
    ),
    "GD209": (
        "Empty list",
        """\
The type of a list is that of its entries, so that an empty one has none.
Bad: `Dirichlet([])`
Good: `Dirichlet([1, 1, 1])`""",
    ),
    "GD210": (
        "Arithmetic with a category",
        """\
`index(p)` is a name, not a quantity: county 7 is not more than county 3. It indexes values and
can be compared for equality. Whole numbers to compute with are `count` or `integer`.
Bad: `Normal(b * county_of, 1)`
Good: `Normal(b[county_of], 1)`""",
    ),
    "GD211": (
        "Wrong number of arguments",
        """\
The call has more, or fewer, arguments than the function. Its signature is shown.
Bad: `clip(x, 0)`
Good: `clip(x, 0, 1)`""",
    ),
    "GD212": (
        "Argument of the wrong type",
        """\
The arguments of a `fn` have declared types, and what is handed over must surely be of them.
Bad: `decay(t, k)`, with `fn decay(t: positive, ...)` and `input t[n]: real`
Good: the same with `input t[n]: positive`""",
    ),
    "GD213": (
        "No distribution",
        """\
After `~`, and as the first argument of `log_prob`, stands a distribution.
Bad: `latent nu ~ 2 * mu`
Good: `let nu = 2 * mu`, or `latent nu ~ Normal(2 * mu, 1)`""",
    ),
    "GD214": (
        "Arguments that fit no form",
        """\
A distribution takes the parameters of one of its forms: none missing, none twice, none from
two forms at once. The message prints the forms and what each parameter means.
Bad: `Gamma(2, rate = 1, scale = 3)`
Good: `Gamma(2, rate = 1)`""",
    ),
    "GD215": (
        "Equations with different types",
        """\
The base case and the general case of a variable describe the same kind of value.
Bad: `observe y[0]: real ~ ...  observe y[t]: positive ~ ...`
Good: `observe y[0]: real ~ ...  observe y[t] ~ ...`""",
    ),
    "GD216": (
        "Nothing known of a variable",
        """\
A variable has a type, an equation, or both.
Bad: `param b`
Good: `param b: real`""",
    ),
    "GD217": (
        "Initial value that is not a number",
        """\
The initial value of a param is where the search for it begins. It is made of numbers only.
Bad: `param b: real = mu`
Good: `param b: real = 0.5`""",
    ),
    "GD218": (
        "Distributions that do not go together",
        """\
A distribution of distributions takes parts of one kind: values of one shape, all continuous or
all whole numbers, and as many weights as parts. One part alone is mixed over a plate that its
parameters have and the value has not.
Bad: `Mixture([0.5, 0.5], Normal(0, 1), Poisson(3))`
Good: `Mixture([0.5, 0.5], Normal(0, 1), Normal(5, 1))`, `Mixture(w, Normal(mu, 1), component)`""",
    ),
    "GD219": (
        "Distribution that this cannot be made of",
        """\
The density of the whole needs something that the part has not: a distribution function where
values are censored, a probability of 0 where zeros are added, an integral with a formula where
densities are multiplied. Nothing is approximated or left out.
Bad: `ZeroInflated(0.2, Normal(0, 1))`
Good: `ZeroInflated(0.2, Poisson(3))`, `Hurdle(0.2, LogNormal(0, 1))`""",
    ),
    "GD220": (
        "Unknown architecture",
        """\
A net is a signature and an architecture of the table, with or without options. `gendsl explain
mlp` tells what one of them takes.
Bad: `net f: real[D] -> real = perceptron(100)`
Good: `net f: real[D] -> real = mlp(hidden=[100])`""",
    ),
    "GD221": (
        "Option of an architecture",
        """\
Options of an architecture are given by name. Their values are numbers, words and lists of whole
numbers, written out; an unknown option is never ignored.
Bad: `mlp(100, activation=relo)`
Good: `mlp(hidden=[100], activation=relu)`""",
    ),
    "GD222": (
        "Signature that an architecture cannot have",
        """\
Types of arguments and values are declared, and an architecture serves some signatures only: a
recurrent network takes a sequence, a convolution an image. Each value comes out in its own
support, which must be one that can be reached by gradients. Where sizes come with the data, this
is decided when they are known.
Bad: `net f: real -> count = mlp()`
Good: `net f: real -> real = mlp()`, and `Poisson(exp(f(x)))`""",
    ),
    "GD223": (
        "Value of a net",
        """\
A net that gives several values gives each a name: one is taken by its name, or all are the
parameters of a distribution. A net with one value gives it without a name.
Bad: `Normal(f(x), 1)`, with `net f: real[D] -> (loc: real, scale: positive) = mlp()`
Good: `Normal(f(x).loc, 1)`, `Normal(f(x))`""",
    ),
    "GD224": (
        "Prior on the weights of a net",
        """\
A prior makes each weight a latent, and each call arithmetic of these: so it is for architectures
whose layers are plain linear maps, `mlp` and `linear`, between numbers and vectors, and with the
activations relu, tanh, sigmoid, softplus and sine. It is a law of one real number, the same for
all weights.
Bad: `net f: real[D] -> real = gru() ~ Normal(0, 1)`
Good: `net f: real[D] -> real = mlp(hidden=[10], activation=tanh) ~ Normal(0, 1)`""",
    ),
}
