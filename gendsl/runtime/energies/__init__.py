"""Unnormalised models: their densities, samplers and training."""
