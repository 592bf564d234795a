"""What a fit has not, and which fits have it."""

from __future__ import annotations

from collections.abc import Mapping

from gendsl.inference.plan import Plan

__all__ = ["LEARNED", "Lacking"]

LEARNED: Mapping[str, tuple[str, str]] = {
    "aggregated": ("the guide's laws of latents over all rows", "posterior"),
    "decode": ("means of observed variables, given latents", "predict(new_data)"),
    "encode": ("laws of latents, computed by a guide for rows of data", "posterior"),
    "generate": ("new rows", "posterior_predictive()"),
    "history": ("the course of a training", "summary()"),
    "impute": ("missing values, by a guide", "posterior"),
    "interpolate": ("rows between others, by a guide", "predict(new_data)"),
    "learned": ("what was learned by steps", "tree"),
    "nets": ("trained networks", "posterior"),
    "params": ("params and networks, learned by steps", "estimate"),
    "reconstruct": ("means of observed variables at the mean of a guide", "predict(new_data)"),
    "score": ("bounds on the log likelihood, by a guide", "evaluate(data)"),
}
"""What fits that learn by steps have beside others: what it is, and what other fits have."""


class Lacking:
    """Says of what is not there which fits have it."""

    def __getattr__(self, name: str) -> object:
        """Called for names that are not there.

        Raises:
            AttributeError: always.
        """
        compiled = self.__dict__.get("compiled")
        if name not in LEARNED or compiled is None:
            raise AttributeError(f"a fit has no `{name}`", name=name, obj=self)
        plan: Plan = compiled.plan
        what, instead = LEARNED[name]
        raise AttributeError(
            f"a fit by `{plan.method}` has no `{name}` ({what}): fits that learn by steps have "
            f'it, `model.fit(data, infer="svi")`; this one has `fit.{instead}`',
            name=name,
        )
