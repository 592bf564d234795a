data {
  int<lower=1> N;
  int<lower=1> K;
  row_vector[N] x;
}
parameters {
  simplex[K] start;
  array[K] simplex[K] move;
  ordered[K] mu;
  vector<lower=0>[K] s;
}
model {
  start ~ dirichlet(rep_vector(1, K));
  mu ~ normal(0, 5);
  s ~ normal(0, 2);
  matrix[K, K] transition;
  matrix[K, N] log_omega;
  for (k in 1 : K) {
    move[k] ~ dirichlet(rep_vector(1, K));
    transition[k] = move[k]';
    log_omega[k] = -0.5 * square((x - mu[k]) / s[k]) - log(s[k]);
  }
  target += hmm_marginal(log_omega, transition, start);
}
