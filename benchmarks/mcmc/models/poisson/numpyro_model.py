import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist


def model(group_of, x, y):
    mu = numpyro.sample("mu", dist.Normal(0, 2))
    tau = numpyro.sample("tau", dist.HalfNormal(1))
    beta = numpyro.sample("beta", dist.Normal(0, 1))
    with numpyro.plate("group", int(group_of.max()) + 1):
        alpha = numpyro.sample("alpha", dist.Normal(mu, tau))
    with numpyro.plate("row", len(y)):
        numpyro.sample("y", dist.Poisson(jnp.exp(alpha[group_of] + beta * x)), obs=y)
