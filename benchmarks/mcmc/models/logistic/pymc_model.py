import pymc as pm


def build(data, sizes):
    with pm.Model() as model:
        a = pm.Normal("a", 0, 2.5)
        b = pm.Normal("b", 0, 2.5, shape=sizes["D"])
        pm.Bernoulli("y", logit_p=a + data["X"] @ b, observed=data["y"])
    return model
