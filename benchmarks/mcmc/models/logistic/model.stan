data {
  int<lower=0> N;
  int<lower=1> D;
  matrix[N, D] X;
  array[N] int<lower=0, upper=1> y;
}
parameters {
  real a;
  vector[D] b;
}
model {
  a ~ normal(0, 2.5);
  b ~ normal(0, 2.5);
  y ~ bernoulli_logit_glm(X, a, b);
}
