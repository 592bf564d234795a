import numpyro
import numpyro.distributions as dist


def model(X, y):
    a = numpyro.sample("a", dist.Normal(0, 2.5))
    b = numpyro.sample("b", dist.Normal(0, 2.5).expand([X.shape[1]]).to_event(1))
    with numpyro.plate("row", len(y)):
        numpyro.sample("y", dist.Bernoulli(logits=a + X @ b), obs=y)
