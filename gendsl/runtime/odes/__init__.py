"""Initial value problems of ordinary differential equations, with gradients."""

from gendsl.runtime.odes.solving import odeint

__all__ = ["odeint"]
