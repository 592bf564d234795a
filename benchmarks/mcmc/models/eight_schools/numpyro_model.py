import numpyro
import numpyro.distributions as dist
from numpyro.infer.reparam import LocScaleReparam


@numpyro.handlers.reparam(config={"theta": LocScaleReparam(0)})  # non-centred
def model(y, sigma):
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", len(y)):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(theta, sigma), obs=y)
