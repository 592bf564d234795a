"""Write the data of the examples that are checked by simulation.

``python examples/write_data.py [NAME ...]`` writes those named, or all. Data are either real, from
statsmodels and scikit-learn, or one draw from the model itself, given inputs that are made up
here; then `truth.json` holds the drawn values of the headline quantities. The seed is that of
`examples.toml`.
"""

import json
import sys

import numpy as np
import pandas as pd
import statsmodels.api
from catalogue import FOLDER, entries, files_of, learned, simulated
from sklearn import datasets

import gendsl

DIGITS = 6


# --- made up inputs -------------------------------------------------------------------------


def crossed(first, second):
    """The long table of all pairs."""
    return np.repeat(np.arange(first), second), np.tile(np.arange(second), first)


def scattered(rng, groups, count):
    """Members of groups of unequal sizes, none of them empty."""
    share = rng.dirichlet(np.full(groups, 2.0))
    return np.sort(
        np.concatenate([np.arange(groups), rng.choice(groups, count - groups, p=share)])
    )


def seeds(rng):
    kind = np.repeat([[0, 0], [0, 1], [1, 0], [1, 1]], [5, 6, 5, 5], axis=0)
    planted = rng.integers(10, 75, len(kind))
    return {"planted": planted, "variety": kind[:, 0], "extract": kind[:, 1]}


def growth_curves(rng):
    rat, week = crossed(30, 5)
    return {"rat_of": rat, "day": 8.0 + 7 * week}


def radon(rng):
    house = scattered(rng, 25, 300)
    return {
        "uranium": rng.normal(0, 0.4, 25).round(2),
        "county_of": house,
        "floor": rng.binomial(1, 0.3, len(house)),
    }


def answers(persons, questions):
    def inputs(rng):
        person, question = crossed(persons, questions)
        return {"person_of": person, "question_of": question}

    return inputs


def pest_control(rng):
    building, _ = crossed(12, 12)
    return {
        "floor_space": rng.uniform(1, 8, 12).round(1),
        "has_supervisor": rng.binomial(1, 0.4, 12),
        "building_of": building,
        "traps": rng.integers(0, 9, len(building)),
    }


def players(rng):
    return {"at_bats": rng.integers(30, 90, 18)}


def topic_model(rng):
    document = np.repeat(np.arange(10), 24)
    belief = np.full((3, len(WORDS)), 0.5)
    for topic, typical in enumerate(TYPICAL):
        belief[topic, np.isin(WORDS, typical)] = 5
    return {"document_of": document, "belief": belief}


WORDS = tuple(
    "ball bat bread cup flour game goal oven salt sauce sea ship storm wave wind".split()
)
TYPICAL = ("ball", "game", "goal"), ("flour", "oven", "salt"), ("sea", "ship", "wave")
"""Words thought typical of each topic."""


def horseshoe(rng):
    return {"X": rng.normal(size=(80, 8)).round(2)}


def missing_discrete(rng):
    return {"age": rng.uniform(-3, 3, 200).round(1)}


def occupancy(rng):
    return {"forest": rng.normal(size=120).round(2), "wind": rng.normal(size=(120, 4)).round(2)}


def measurement_error(rng):
    return {"error": rng.choice([0.5, 1.0, 1.5], 100)}


def bradley_terry(rng):
    home, away = crossed(10, 10)
    apart = home != away
    return {"home": home[apart], "away": away[apart]}


def golf_putting(rng):
    feet = np.arange(2, 21)
    return {"feet": feet.astype(float), "tries": (600 / feet**0.6).astype(int)}


def neural_regression(rng):
    return {"x": np.sort(rng.uniform(-3, 3, 36)).round(2)}


def frailty(rng):
    family = scattered(rng, 40, 200)
    return {"family_of": family, "treated": rng.binomial(1, 0.5, len(family))}


def density_grid(rng):
    return {"at": np.linspace(-8, 8, 17)}


def correlated_effects(rng):
    cafe, visit = crossed(20, 10)
    return {"cafe_of": cafe, "afternoon": visit % 2}


def gaussian_process(rng):
    return {"x": np.sort(rng.uniform(-3, 3, 40)).round(2)}


def gaussian_process_counts(rng):
    return {"date": np.arange(40) / 10}


def hilbert_space_process(rng):
    return {"x": np.sort(rng.uniform(-1, 1, 60)).round(3)}


def spatial_counts(rng):
    """A map of 6 by 8 areas; neighbours share a side."""
    row, column = crossed(6, 8)
    apart = np.abs(row[:, None] - row) + np.abs(column[:, None] - column)
    return {
        "neighbour": (apart == 1).astype(int),
        "expected": rng.gamma(3, 4, 48).round(1),
        "x": rng.normal(size=48).round(2),
    }


def log_gaussian_cox(rng):
    row, column = crossed(5, 5)
    return {"at": np.stack([column, row], 1) / 2, "area": np.full(25, 4.0)}


def censored_survival(rng):
    return {
        "treated": rng.binomial(1, 0.5, 120),
        "age": rng.normal(0, 1, 120).round(1),
        "end": rng.uniform(12, 48, 120).round(),
    }


def truncated_regression(rng):
    return {"age": rng.uniform(2, 9, 150).round(1), "limit": rng.choice([35.0, 45.0, 50.0], 150)}


def lotka_volterra(rng):
    return {"at": np.arange(1.0, 21)}


def sir_epidemic(rng):
    return {"at": np.arange(1.0, 15)}


def social_network(rng):
    first, second = crossed(18, 18)
    apart = first != second
    same = (first[apart] % 3) == (second[apart] % 3)
    return {"from_": first[apart], "to": second[apart], "same_class": same.astype(int)}


def nothing(rng):
    return {}


def first_captures(rng):
    return {"first": np.sort(rng.integers(0, 6, 80))}


SIMULATED = {
    "seeds": (seeds, {}),
    "growth_curves": (growth_curves, {}),
    "radon": (radon, {}),
    "rasch": (answers(60, 12), {}),
    "item_response": (answers(100, 12), {}),
    "item_response_guessing": (answers(150, 12), {}),
    "pest_control": (pest_control, {}),
    "partial_pooling": (players, {}),
    "partial_pooling_logit": (players, {}),
    "dirichlet_process_mixture": (density_grid, {"point": 80}),
    "topic_model": (topic_model, {"document": 10, "term": len(WORDS)}),
    "capture_recapture": (nothing, {"animal": 150, "T": 5}),
    "capture_recapture_time": (nothing, {"animal": 150, "T": 5}),
    "capture_recapture_heterogeneity": (nothing, {"animal": 150, "T": 8}),
    "dawid_skene": (nothing, {"item": 60, "annotator": 5}),
    "horseshoe": (horseshoe, {}),
    "missing_discrete": (missing_discrete, {}),
    "occupancy": (occupancy, {}),
    "measurement_error": (measurement_error, {}),
    "bradley_terry": (bradley_terry, {}),
    "golf_putting": (golf_putting, {}),
    "neural_regression": (neural_regression, {}),
    "frailty": (frailty, {}),
    "correlated_effects": (correlated_effects, {}),
    "gaussian_process": (gaussian_process, {}),
    "gaussian_process_counts": (gaussian_process_counts, {}),
    "hilbert_space_process": (hilbert_space_process, {}),
    "spatial_counts": (spatial_counts, {}),
    "log_gaussian_cox": (log_gaussian_cox, {}),
    "censored_survival": (censored_survival, {}),
    "truncated_regression": (truncated_regression, {}),
    "lotka_volterra": (lotka_volterra, {}),
    "sir_epidemic": (sir_epidemic, {}),
    "social_network": (social_network, {}),
    "hidden_markov": (nothing, {"year": 100}),
    "cormack_jolly_seber": (first_captures, {"t": 7}),
    "stochastic_volatility": (nothing, {"day": 200}),
    "garch": (nothing, {"day": 200}),
    "arma": (nothing, {"t": 150}),
}
"""How inputs are made up, and the sizes of the axes that no input has."""

LABELS = {"topic_model": {"term_of": np.array(WORDS)}}
"""What the numbers of an index stand for, in alphabetical order."""

GAPS = {"missing_discrete": {"smoker": 0.3}, "dawid_skene": {"given": 0.2}}
"""The share of missing values of an observed variable."""


# --- real data ------------------------------------------------------------------------------


def from_sklearn(name, columns):
    """Standardised columns of a data set of scikit-learn, and its classes."""
    loaded = getattr(datasets, f"load_{name}")(as_frame=True)
    return loaded.data[columns], loaded.target


def standardised(table):
    return ((table - table.mean()) / table.std()).round(3)


def from_statsmodels(name):
    return getattr(statsmodels.api.datasets, name).load_pandas().data


def group_comparison():
    table, cultivar = from_sklearn("wine", ["alcohol"])
    table = table.assign(cultivar=cultivar)[["cultivar", "alcohol"]]
    return table[table.cultivar < 2]


def logistic_interaction():
    table = from_statsmodels("anes96").sample(400, random_state=1).sort_index().astype(int)
    return table.rename(columns={"selfLR": "placement", "educ": "schooling", "vote": "dole"})[
        ["placement", "income", "schooling", "dole"]
    ]


def sparse_logistic():
    names = [
        *("mean radius", "mean texture", "mean smoothness", "mean compactness"),
        *("mean concavity", "mean symmetry", "mean fractal dimension", "texture error"),
    ]
    table, benign = from_sklearn("breast_cancer", names)
    table = standardised(table).rename(columns=lambda name: name.replace(" ", "_"))
    return table.assign(malignant=1 - benign).sample(250, random_state=1).sort_index()


def multinomial_regression():
    table, cultivar = from_sklearn("wine", ["alcohol", "malic_acid", "ash", "magnesium"])
    return standardised(table).assign(cultivar=cultivar)


def naive_bayes():
    table, kind = from_sklearn("iris", slice(None))
    table.columns = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    table = standardised(table)
    known = kind.astype("Int64").where(np.random.default_rng(1).uniform(size=len(kind)) > 0.2)
    return table.assign(kind=known)


def factor_analysis():
    names = [
        "flavanoids",
        "total_phenols",
        "proanthocyanins",
        "hue",
        "od280/od315_of_diluted_wines",
    ]
    table, _ = from_sklearn("wine", names)
    table = standardised(table).rename(columns={names[-1]: "od280"})
    return table.sample(60, random_state=1).sort_index()


def robust_regression():
    table = from_statsmodels("engel")
    return pd.DataFrame(
        {"income": table.income.round(1), "log_food": np.log(table.foodexp).round(4)}
    )


def zero_inflated_poisson():
    table = from_statsmodels("randhie").sample(300, random_state=1).sort_index()
    return pd.DataFrame(
        {
            "visits": table.mdvis.astype(int),
            "poor_health": (table.hlthf + table.hlthp).astype(int),
            "chronic": table.disea.round(1),
        }
    )


def ordinal_regression():
    table = from_statsmodels("anes96").sample(300, random_state=2).sort_index().astype(int)
    return pd.DataFrame(
        {
            "age": table.age,
            "schooling": table.educ,
            "income": table.income,
            "placement": table.selfLR - 1,
        }
    )


def spline_regression():
    table = from_statsmodels("nile")
    return pd.DataFrame(
        {"date": ((table.year - 1870) / 10).round(1), "volume": (table.volume / 100).round(2)}
    )


def quantile_regression():
    return robust_regression()


def autoregression():
    table = from_statsmodels("sunspots")
    table = table[table.YEAR >= 1850]
    return pd.DataFrame({"root_spots": np.sqrt(table.SUNACTIVITY).round(2)})


def trend_and_season():
    """Carbon dioxide in the air, in ppm above 340, by month."""
    monthly = from_statsmodels("co2").co2.resample("MS").mean().interpolate()["1990":"1999"]
    monthly = (monthly - 340).round(2)
    return pd.DataFrame({"co2": monthly.to_numpy()})


REAL = (
    autoregression,
    trend_and_season,
    ordinal_regression,
    spline_regression,
    quantile_regression,
    group_comparison,
    logistic_interaction,
    sparse_logistic,
    multinomial_regression,
    naive_bayes,
    factor_analysis,
    robust_regression,
    zero_inflated_poisson,
)


# --- made up data ---------------------------------------------------------------------------


def gaussian_mixture_vae():
    """Three clusters on a bent ring."""
    rng = np.random.default_rng(1)
    turn = rng.normal(0, 0.5, 600) + 2 * np.pi * rng.integers(0, 3, 600) / 3
    radius = rng.normal(2, 0.15, 600)
    across, along = radius * np.cos(turn), radius * np.sin(turn)
    ring = np.stack([across, along, np.cos(2 * turn), along**2 / 4], 1)
    ring += rng.normal(0, 0.1, ring.shape)
    return pd.DataFrame(ring.round(3), columns=["x1", "x2", "x3", "x4"])


def few_labels():
    """The same clusters, of which four points each are labelled."""
    table = gaussian_mixture_vae().head(400)
    third = np.round(np.arctan2(table.x2, table.x1) / (2 * np.pi / 3)).to_numpy().astype(int) % 3
    label = np.full(len(table), np.nan)
    for kind in range(3):
        label[np.flatnonzero(third == kind)[:4]] = kind
    return table.assign(label=pd.array(label, dtype="Int64"))


def two_modalities():
    """Two curves through one latent; a quarter of the items lacks either."""
    rng = np.random.default_rng(2)
    z = rng.normal(size=400)
    a = np.stack([np.sin(1.5 * z), z], 1)
    b = np.stack([np.cos(z), z**2 / 3, -z], 1)
    table = np.concatenate([a, b], 1) + rng.normal(0, 0.15, (400, 5))
    table[:100, :2] = np.nan
    table[100:200, 2:] = np.nan
    return pd.DataFrame(table.round(3), columns=["a1", "a2", "b1", "b2", "b3"])


SHAPES = np.array([[0.0, 0, 1, 1], [1, 1, 0, 0], [1, -1, 1, -1], [-1, 0, 0, -1]])


def vq_vae():
    """Signals whose halves are one of four shapes each."""
    rng = np.random.default_rng(3)
    x = SHAPES[rng.integers(0, 4, (500, 2))].reshape(500, 8) + rng.normal(0, 0.1, (500, 8))
    return pd.DataFrame(x.round(3), columns=[f"x{i + 1}" for i in range(8)])


def two_moons():
    """Two crescents that reach into each other."""
    rng = np.random.default_rng(3)
    of, turn = rng.integers(0, 2, 1000), rng.uniform(0, np.pi, 1000)
    upper = np.stack([np.cos(turn), np.sin(turn)], 1)
    lower = np.stack([1 - np.cos(turn), 0.5 - np.sin(turn)], 1)
    x = np.where(of[:, None] == 0, upper, lower) + rng.normal(0, 0.1, (1000, 2))
    return pd.DataFrame(x.round(3), columns=["x1", "x2"]).assign(of=of)


def masked_autoencoder():
    """Free bits, copies of them, and whether neighbours differ; one in twenty is wrong."""
    rng = np.random.default_rng(4)
    free = rng.integers(0, 2, (600, 4))
    told = np.concatenate([free, free ^ np.roll(free, 1, axis=1)], 1)
    told ^= rng.random(told.shape) < 0.05
    return pd.DataFrame(np.concatenate([free, told], 1), columns=[f"x{i + 1}" for i in range(12)])


def boltzmann_machine():
    """Bars and stripes of 3 by 3 pixels, of which one in a hundred is wrong."""
    rng = np.random.default_rng(6)
    lines = rng.integers(0, 2, (800, 3))
    upright = rng.integers(0, 2, 800)[:, None] == 1
    bars = np.where(upright, np.repeat(lines, 3, axis=1), np.tile(lines, 3))
    bars ^= rng.random(bars.shape) < 0.01
    return pd.DataFrame(bars, columns=[f"x{i + 1}" for i in range(9)])


def energy_ring():
    """Points near a circle, more of them above than below."""
    rng = np.random.default_rng(7)
    turn = rng.vonmises(np.pi / 2, 0.7, 1000)
    x = np.stack([np.cos(turn), np.sin(turn)], 1) + rng.normal(0, 0.15, (1000, 2))
    return pd.DataFrame(x.round(3), columns=["x1", "x2"])


MADE = (
    masked_autoencoder,
    gaussian_mixture_vae,
    few_labels,
    two_modalities,
    vq_vae,
    two_moons,
    boltzmann_machine,
    energy_ring,
)


def deep_markov():
    """Points that go round, each recording at a speed of its own, with noise."""
    rng = np.random.default_rng(1)
    recordings = []
    for length in rng.integers(5, 16, 80):
        turn = rng.uniform(0, 2 * np.pi) + rng.normal(0.5, 0.1) * np.arange(length)
        path = np.stack([np.cos(turn), np.sin(turn), np.sin(2 * turn)], 1)
        recordings.append((path + rng.normal(0, 0.1, path.shape)).round(2).tolist())
    return {"x": recordings}


LISTS = (deep_markov,)


# --- writing --------------------------------------------------------------------------------


def draw(name):
    """The data of a simulated example by variable, and the true values of its headline."""
    entry, model = entries()[name], gendsl.load(FOLDER / name / "model.gen")
    make, sizes = SIMULATED[name]
    rng = np.random.default_rng(entry["seed"])
    values = make(rng)
    tree = model.simulate(1, values, sizes=sizes, seed=entry["seed"])
    for variable, drawn in tree["prior_predictive"].to_dataset().items():
        value = drawn.to_numpy()[0, 0]
        share = GAPS.get(name, {}).get(variable, 0)
        if share:
            value = np.where(rng.uniform(size=value.shape) < share, np.nan, value)
        values[variable] = value
    truth = {q: tree["prior"][q].to_numpy()[0, 0] for q in entry["headline"]}
    return values, truth


def tables(model, values):
    """A table for each plate, with numbered columns for vectors."""
    found = {}
    for variable in model.compiled.checked.ir.of_role("input", "observed"):
        value, table = np.asarray(values[variable.name]), found.setdefault(variable.axes[0], {})
        if value.ndim == 1:
            table[variable.name] = value
        for k in range(value.shape[1] if value.ndim == 2 else 0):
            table[f"{variable.name}_{k + 1}"] = value[:, k]
    return {plate: pd.DataFrame(columns) for plate, columns in found.items()}


def tidy(table):
    """Whole numbers as such, others to a few digits."""
    return table.apply(tidy_column)


def tidy_column(column):
    if column.dtype.kind not in "fiu":
        return column
    return column.astype("Int64") if (column.dropna() % 1 == 0).all() else column.map(rounded)


def rounded(value):
    return float(f"{value:.{DIGITS}g}")


def listed(value):
    """Nested lists: whole numbers as such, null where a value is missing."""
    if value.ndim:
        return [listed(part) for part in value]
    if np.isnan(value):
        return None
    return int(value) if value % 1 == 0 else rounded(value)


def nested(value):
    return value.tolist() if value.ndim else float(value)


def write(name):
    """Write an example's data, and the truth if they are simulated."""
    folder = FOLDER / name
    if ".." in str(files_of(name)):  # the data of another example
        return
    for make in (*REAL, *MADE):
        if make.__name__ == name:
            make().to_csv(folder / "data.csv", index=False)
            return
    for make in LISTS:
        if make.__name__ == name:
            (folder / "data.json").write_text(json.dumps(make()) + "\n", encoding="utf-8")
            return
    values, truth = draw(name)
    rounding = np.vectorize(rounded, otypes=[float])
    filed = {q: nested(rounding(v)) for q, v in truth.items()}
    (folder / "truth.json").write_text(json.dumps(filed) + "\n", encoding="utf-8")
    target = files_of(name)
    if not isinstance(target, dict) and target.suffix == ".json":
        lists = {variable: listed(np.asarray(value)) for variable, value in values.items()}
        target.write_text(json.dumps(lists) + "\n", encoding="utf-8")
        return
    for variable, labels in LABELS.get(name, {}).items():
        values[variable] = labels[values[variable].astype(int)]
    made = tables(gendsl.load(folder / "model.gen"), values)
    files = target if isinstance(target, dict) else {next(iter(made)): target}
    for plate, file in files.items():
        tidy(made[plate]).to_csv(file, index=False)


def main(names):
    """Write what is named, or everything."""
    for name in names or (*simulated(), *learned()):
        write(name)
        print(f"wrote {name}")


if __name__ == "__main__":
    main(sys.argv[1:])
