"""What other systems call things, and what this language calls them."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["distribution_remedy", "function_remedy", "parameter_aliases", "type_remedy"]

_SUFFIXES = ("lpdf", "lpmf", "lupdf", "lupmf", "rng", "lcdf", "lccdf")


def _words(meanings: Mapping[str, str]) -> dict[str, str]:
    """One entry for each of the words that stand together in a key."""
    return {word: meaning for words, meaning in meanings.items() for word in words.split()}


def _folded(word: str) -> str:
    """`word` without case, underscores and the endings that Stan gives to densities."""
    parts = [p for p in word.casefold().split("_") if p]
    if len(parts) > 1 and parts[-1] in _SUFFIXES:
        parts.pop()
    return "".join(parts)


def _meant(name: str) -> str:
    return f"did you mean `{name}`?"


_DISTRIBUTIONS = _words(
    {
        "gaussian norm gauss n": "Normal",
        "gp gausprocess latentgp marginalgp": "GaussianProcess",
        "mvnormal mvn multinormal multivariategaussian mvgaussian": "MultivariateNormal",
        "studentst student t tdist": "StudentT",
        "halfgaussian halfnorm": "HalfNormal",
        "halft halfstudent": "HalfStudentT",
        "multistudentt mvstudentt mvt multivariatet multivariatestudent": "MultivariateStudentT",
        "binom": "Binomial",
        "betabinom": "BetaBinomial",
        "bern": "Bernoulli",
        "pois poiss": "Poisson",
        "exp expon": "Exponential",
        "lognorm lnorm": "LogNormal",
        "invgamma igamma": "InverseGamma",
        "chisquare chisq chi2": "ChiSquared",
        "geom": "Geometric",
        "unif": "Uniform",
        "laplacedist doubleexponential dexp": "Laplace",
        "cat discrete catdist": "Categorical",
        "multinom": "Multinomial",
        "dirich ddirch": "Dirichlet",
        "improperuniform improper": "Flat",
        "vonmisesdist circularnormal": "VonMises",
        "inversegaussian invgaussian invgauss": "Wald",
        "exgauss expmodnormal exponentiallymodifiedgaussian exponnorm": "ExGaussian",
        "skewnorm": "SkewNormal",
        "laplaceasymmetric": "AsymmetricLaplace",
        "discreteunif randint uniformdiscrete": "DiscreteUniform",
        "discretisedlogistic quantizedlogistic roundedlogistic": "DiscretizedLogistic",
        "orderedlogistic orderedlogit cumulativelogit": "OrderedLogistic",
        "orderedprobit cumulativeprobit": "OrderedProbit",
        "dirichletmultinomial dirmult polya": "DirichletMultinomial",
        "lkj lkjcorr": "LKJ",
        "lkjcholesky lkjcorrcholesky lkjcholeskycov": "LKJCholesky",
        "invwishart iwishart": "InverseWishart",
        "matnormal matrixgaussian": "MatrixNormal",
        "randomwalk gaussianrandomwalk": "GaussianRandomWalk",
        "autoregressive autoregression": "AR",
        "icarnormal besag": "ICAR",
        "carnormal": "CAR",
    }
)
_DISTRIBUTION_IDIOMS = _words(
    {
        "truncatednormal truncnorm truncnormal": "a type truncates a distribution: write "
        "`x: real(0, inf) ~ Normal(mu, sigma)`",
        "halflogistic halflaplace": "a type halves a distribution: write "
        "`tau: positive ~ Logistic(0, 1)`",
        "halfflat": "write `tau: positive ~ Flat()`",
        "nbinom negbinomial negbin negativebinomial2 negbinomial2": "did you mean "
        "`NegativeBinomial`? By mean and dispersion it is "
        "`NegativeBinomial(mean = mu, concentration = phi)`",
        "bernoullilogit": "write `Bernoulli(logits = ...)`",
        "binomiallogit": "write `Binomial(n, logits = ...)`",
        "categoricallogit categoricallogits": "write `Categorical(logits = ...)`",
        "poissonlog": "write `Poisson(exp(...))`",
        "multinormalcholesky multivariatenormalcholesky": "write "
        "`MultivariateNormal(mu, scale_tril = L)`",
        "multinormalprec multivariatenormalprecision": "write "
        "`MultivariateNormal(mu, precision_matrix = P)`",
        "deterministic delta pointmass dirac": "a fixed relation is a `let`: `let x = ...`",
        "factor potential target": "a term of the log density is an `energy`: "
        "`energy -(...)` adds `...` to it",
        "zeroinflatedpoisson zip zinb zeroinflatednegativebinomial zeroinflatedbinomial": "write "
        "`ZeroInflated(p, Poisson(rate))`, with the probability of an extra zero first",
        "hurdlepoisson hurdlenegativebinomial hurdlegamma hurdlelognormal": "write "
        "`Hurdle(p, Poisson(rate))`, with the probability of a zero first",
        "normalmixture mixturesamefamily mixturegeneral": "write `Mixture(weights, Normal(mu, "
        "sigma), component)`, with `mu` over the plate `component`",
        "censorednormal tobit": "write `Censored(Normal(mu, sigma), lower = 0)`",
    }
)

_FUNCTIONS = _words(
    {
        "ln": "log",
        "expit logistic invlogit inverselogit": "inv_logit",
        "std stdev stddev": "sd",
        "variance": "var",
        "average avg": "mean",
        "sqr": "square",
        "fabs": "abs",
        "phi pnorm ncdf cdfnorm": "normal_cdf",
        "invphi qnorm ppf": "probit",
        "lbinom logchoose": "lchoose",
        "binom binomcoef ncr comb": "choose",
        "gammaln loggamma": "lgamma",
        "betaln": "lbeta",
        "cat append c concatenate hstack vstack appendrow": "concat",
        "covexpquad gpexpquadcov rbf expquad gaussiankernel": "squared_exponential",
        "gpmatern32cov": "matern32",
        "gpmatern52cov": "matern52",
        "gpexponentialcov exponentialkernel ornsteinuhlenbeck": "matern12",
        "gpperiodiccov": "periodic",
        "whitenoise whitekernel": "white",
        "bs bsplinebasis": "bspline",
        "ns naturalcubicspline": "natural_spline",
        "interp interp1 approx": "interpolate",
        "mdivideleft": "solve",
        "mdivideleftlow mdividelefttrilow solvelower": "solve_triangular",
        "eigenvaluessymmetric eigvals eigvalsh eigen": "eigenvalues_sym",
        "eigh eigenvectors eigenvectorssymmetric": "eigenvectors_sym",
        "kronecker kronprod": "kron",
        "quadformsym quadraticform": "quad_form",
        "l2norm vectornorm norm2": "norm",
        "log1mexp log1mexpx": "log1mexp",
        "logdiff logsubexp": "log_diff_exp",
        "stdnormallcdf normallcdf logndtr": "log_normal_cdf",
        "gammap igamma pgamma": "gammainc",
        "gammaq igammac": "gammaincc",
        "incbeta pbeta": "betainc",
        "polygamma1 trigammafn": "trigamma",
        "cumlogsumexp cumulativelogsumexp": "logcumsumexp",
        "sortindicesasc order": "argsort",
        "repvector rep repeat repmatrix": "full",
        "identity identitymatrix": "eye",
        "t": "transpose",
        "inv": "inverse",
        "chol choleskydecompose": "cholesky",
        "logsumexp lse": "logsumexp",
        "dotproduct inner": "dot",
        "arctan": "atan",
        "arcsin": "asin",
        "arccos": "acos",
        "arctan2": "atan2",
        "log1pexp": "softplus",
        "loginvlogit logsigmoid": "log_sigmoid",
        "tr": "trace",
        "fmax pmax": "maximum",
        "fmin pmin": "minimum",
        "clamp": "clip",
        "ceiling": "ceil",
        "diagmatrix": "diag",
        "determinant": "det",
        "logdeterminant slogdet": "logdet",
        "cumulativesum": "cumsum",
        "product": "prod",
        "flip rev": "reverse",
        "fmod remainder": "mod",
        "sgn": "sign",
        "ode odesolve solveode solveivp ivp integrateode integrateoderk45 integrateodebdf oderk45 "
        "odebdf odeckrk odeadams diffeqsolve": "odeint",
    }
)
_FUNCTION_IDIOMS = _words(
    {
        "pow power": "a power is written `x ** y`",
        "matmul mm mv multiply": "a product is written `x * y`, of matrices and vectors `x @ y`",
        "add plus": "a sum is written `x + y`",
        "subtract minus": "a difference is written `x - y`",
        "divide": "a quotient is written `x / y`",
        "ifelse where select switch": "write `a if condition else b`",
        "length len size nrow ncol shape": "the size of an axis is its name: `D` for `dim D`, "
        "`sum(ones(p))` for a plate",
        "lag shift": "an earlier value is written `y[t-1]`",
        "diff": "a difference along a sequence is written `y[t] - y[t-1]`",
        "log10": "write `log(x) / log(10)`",
        "log2": "write `log(x) / log(2)`",
        "range arange seq linspace": "a plate's name, alone, is the member's number from 0",
    }
)

_TYPES = _words(
    {
        "int int32 int64 long": "integer",
        "float double number numeric float32 float64 continuous": "real",
        "bool boolean logical": "binary",
        "prob probability proportion fraction": "unit",
        "nonnegative nonneg pos positivereal": "positive",
        "nat natural uint nonnegint": "count",
        "covmatrix cov": "covariance",
        "corrmatrix corr": "correlation",
        "choleskyfactorcorr corrcholesky choleskycorr": "cholesky_correlation",
        "sumtozero sumtozerovector zerosum": "zero_sum",
        "unitvec": "unit_vector",
    }
)
_TYPE_IDIOMS = _words(
    {
        "vector rowvector array list tensor": "a vector is written `real[D]`, with `dim D`",
        "matrix": "a matrix is written `real[D, E]`, with `dim D` and `dim E`",
        "categorical category factor string str enum level": "a category is written `index(K)`, "
        "or `index(p)` for a member of the plate `p`",
        "choleskyfactorcov cholesky": "declare the matrix itself, `covariance[D]` or "
        "`correlation[D]`; the compiler factors it",
        "positiveordered": "write `ordered(0, inf)[K]`",
    }
)

_PARAMETERS: Mapping[str, str] = {
    "loc": "mu mean m location center centre",
    "scale": "sigma sd std stddev stdev s",
    "rate": "lambda lam mu mean beta b inverse_scale inv_scale",
    "probs": "p prob probability theta pi",
    "logits": "logit eta alpha",
    "total_count": "n trials size total",
    "concentration1": "alpha a",
    "concentration0": "beta b",
    "concentration": "alpha a shape k phi kappa",
    "df": "nu dof",
    "covariance_matrix": "cov sigma covariance",
    "precision_matrix": "precision prec tau",
    "low": "lower min a",
    "high": "upper max b",
    "skewness": "alpha slant skew shape",
    "asymmetry": "kappa symmetry",
    "mean": "mu loc",
    "predictor": "eta mu x",
    "cutpoints": "c cut thresholds kappa",
    "coefficients": "phi rho beta ar",
    "initial_loc": "init_loc start mu0",
    "initial_scale": "init_scale sigma0",
    "initial": "init start",
    "drift": "mu loc",
    "alpha": "rho correlation",
    "adjacency": "w adj adj_matrix adjacency_matrix",
}
"""For each parameter, the words that other systems have for it."""


def distribution_remedy(word: str) -> str | None:
    """What to write for a distribution that another system calls `word`."""
    key = _folded(word)
    if key in _DISTRIBUTION_IDIOMS:
        return _DISTRIBUTION_IDIOMS[key]
    return _meant(_DISTRIBUTIONS[key]) if key in _DISTRIBUTIONS else None


def function_remedy(word: str) -> str | None:
    """What to write for a function that another system calls `word`."""
    key = _folded(word)
    if key in _FUNCTION_IDIOMS:
        return _FUNCTION_IDIOMS[key]
    return _meant(_FUNCTIONS[key]) if key in _FUNCTIONS else None


def type_remedy(word: str) -> str | None:
    """What to write for a type that another system calls `word`."""
    key = _folded(word)
    if key in _TYPE_IDIOMS:
        return _TYPE_IDIOMS[key]
    return _meant(_TYPES[key]) if key in _TYPES else None


def parameter_aliases(word: str) -> tuple[str, ...]:
    """The parameters that other systems call `word`, likeliest first."""
    key = word.casefold()
    return tuple(name for name, words in _PARAMETERS.items() if key in words.split())
