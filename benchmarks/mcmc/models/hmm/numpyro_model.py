import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist


def log_forward(start, move, log_density):
    """The forward algorithm as a product of matrices, in pairs and scaled: quicker than a scan."""
    largest = log_density.max(-1, keepdims=True)
    density = jnp.exp(log_density - largest)
    product, total = move * density[1:, None, :], largest.sum()
    while len(product) > 1:
        pairs, rest = len(product) // 2, product[len(product) // 2 * 2 :]
        left, right = product[0 : 2 * pairs : 2], product[1 : 2 * pairs : 2]
        found = (left[:, :, :, None] * right[:, None, :, :]).sum(2)
        scale = found.sum((1, 2), keepdims=True)
        total = total + jnp.log(scale).sum()
        product = jnp.concatenate([found / scale, rest])
    return total + jnp.log(((start * density[0]) @ product[0]).sum())


def model(x):
    start = numpyro.sample("start", dist.Dirichlet(jnp.ones(4)))
    move = numpyro.sample("move", dist.Dirichlet(jnp.ones(4)).expand([4]).to_event(1))
    mu = numpyro.sample("mu", dist.ImproperUniform(dist.constraints.ordered_vector, (), (4,)))
    numpyro.factor("mu_prior", dist.Normal(0, 5).log_prob(mu).sum())
    s = numpyro.sample("s", dist.HalfNormal(2).expand([4]).to_event(1))
    numpyro.factor("x", log_forward(start, move, dist.Normal(mu, s).log_prob(x[:, None])))
