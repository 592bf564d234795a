data {
  int<lower=0> N;
  int<lower=1> G;
  array[N] int<lower=0, upper=G - 1> group_of;
  vector[N] x;
  array[N] int<lower=0> y;
}
transformed data {
  array[N] int g;
  for (n in 1 : N) {
    g[n] = group_of[n] + 1;
  }
  matrix[N, 1] X = to_matrix(x, N, 1);
}
parameters {
  real mu;
  real<lower=0> tau;
  vector[G] alpha;
  vector[1] b;
}
transformed parameters {
  real beta = b[1];
}
model {
  mu ~ normal(0, 2);
  tau ~ normal(0, 1);
  alpha ~ normal(mu, tau);
  b ~ normal(0, 1);
  y ~ poisson_log_glm(X, alpha[g], b);
}
