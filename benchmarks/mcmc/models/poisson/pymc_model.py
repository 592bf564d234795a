import pymc as pm


def build(data, sizes):
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 2)
        tau = pm.HalfNormal("tau", 1)
        alpha = pm.Normal("alpha", mu, tau, shape=sizes["G"])
        beta = pm.Normal("beta", 0, 1)
        rate = pm.math.exp(alpha[data["group_of"]] + beta * data["x"])
        pm.Poisson("y", rate, observed=data["y"])
    return model
