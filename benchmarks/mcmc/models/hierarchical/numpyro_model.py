import numpyro
import numpyro.distributions as dist


def model(group_of, x, y):
    mu = numpyro.sample("mu", dist.Normal(0, 10))
    tau = numpyro.sample("tau", dist.HalfNormal(5))
    beta = numpyro.sample("beta", dist.Normal(0, 10))
    sigma = numpyro.sample("sigma", dist.HalfNormal(5))
    with numpyro.plate("group", int(group_of.max()) + 1):
        alpha = numpyro.sample("alpha", dist.Normal(mu, tau))
    with numpyro.plate("row", len(y)):
        numpyro.sample("y", dist.Normal(alpha[group_of] + beta * x, sigma), obs=y)
