"""What a fit has not, and which fits have it."""

from __future__ import annotations

from collections.abc import Mapping

from gendsl.compiler import Compiled

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

EXACT: Mapping[str, str] = {
    "complete": "the ends of rows, drawn given what is there",
    "log_prob": "exact log densities of rows",
}
"""What fits without latents have beside others."""


class Lacking:
    """Says of what is not there which fits have it."""

    def __getattr__(self, name: str) -> object:
        """Called for names that are not there.

        Raises:
            AttributeError: always.
        """
        compiled: Compiled | None = self.__dict__.get("compiled")
        if name in EXACT and compiled is not None:
            plan, other = compiled.plan, "score" if hasattr(self, "score") else "evaluate"
            raise AttributeError(
                f"a fit by `{plan.method}` has no `{name}` ({EXACT[name]}): fits of networks by "
                f"`mle`, where nothing is latent, have it; this one has `fit.{other}(data)`",
                name=name,
            )
        if name not in LEARNED or compiled is None:
            raise AttributeError(f"a fit has no `{name}`", name=name, obj=self)
        plan = compiled.plan
        what, instead = LEARNED[name]
        raise AttributeError(
            f"a fit by `{plan.method}` has no `{name}` ({what}): fits that learn by steps have "
            f'it, `model.fit(data, infer="svi")`; this one has `fit.{instead}`',
            name=name,
        )
