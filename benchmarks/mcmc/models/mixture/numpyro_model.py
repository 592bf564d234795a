import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist


def model(x):
    w = numpyro.sample("w", dist.Dirichlet(jnp.ones(3)))
    # A normal restricted to the ordered vectors; a transformed one would have another density.
    mu = numpyro.sample("mu", dist.ImproperUniform(dist.constraints.ordered_vector, (), (3,)))
    numpyro.factor("mu_prior", dist.Normal(0, 5).log_prob(mu).sum())
    s = numpyro.sample("s", dist.HalfNormal(2).expand([3]).to_event(1))
    with numpyro.plate("point", len(x)):
        parts = dist.MixtureSameFamily(dist.Categorical(w), dist.Normal(mu, s))
        numpyro.sample("x", parts, obs=x)
