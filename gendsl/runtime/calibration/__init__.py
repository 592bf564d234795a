"""Simulation-based calibration: whether posteriors are what they claim to be.

Parameters are drawn from the prior and data from the model; a fit to the data gives draws among
which the true parameters rank. If the method is right, ranks are uniform, whatever the model.

References:
    Validating Bayesian inference algorithms with simulation-based calibration (Talts, Betancourt,
    Simpson, Vehtari, Gelman, 2018).
"""
