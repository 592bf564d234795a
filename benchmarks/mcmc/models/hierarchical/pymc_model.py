import pymc as pm


def build(data, sizes):
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 10)
        tau = pm.HalfNormal("tau", 5)
        alpha = pm.Normal("alpha", mu, tau, shape=sizes["G"])
        beta = pm.Normal("beta", 0, 10)
        sigma = pm.HalfNormal("sigma", 5)
        mean = alpha[data["group_of"]] + beta * data["x"]
        pm.Normal("y", mean, sigma, observed=data["y"])
    return model
