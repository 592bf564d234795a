data {
  int<lower=0> N;
  int<lower=1> K;
  vector[N] x;
}
parameters {
  simplex[K] w;
  ordered[K] mu;
  vector<lower=0>[K] s;
}
model {
  w ~ dirichlet(rep_vector(1, K));
  mu ~ normal(0, 5);
  s ~ normal(0, 2);
  vector[K] log_w = log(w);
  for (n in 1 : N) {
    vector[K] lp = log_w;
    for (k in 1 : K) {
      lp[k] += normal_lpdf(x[n] | mu[k], s[k]);
    }
    target += log_sum_exp(lp);
  }
}
