import pymc as pm


def build(data, sizes):
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 5)
        tau = pm.HalfCauchy("tau", 5)
        effect = pm.Normal("effect", 0, 1, shape=sizes["J"])  # non-centred
        theta = pm.Deterministic("theta", mu + tau * effect)
        pm.Normal("y", theta, data["sigma"], observed=data["y"])
    return model
