"""Variational inference: guides, networks, and the bounds that train both."""
