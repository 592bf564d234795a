"""GD890 to GD893: variables that reach themselves through causal networks."""

from __future__ import annotations

__all__ = ["CODES"]

CODES: dict[str, tuple[str, str]] = {
    "GD890": (
        "a net that is not causal",
        "A net that is declared `-> causal` is probed before anything is trained: entries of its"
        " first argument are exchanged, from one on, and what it returns for the entries up to "
        "that one must stay as it is; then the same with other weights. The message names an "
        "entry of what it returns, and the entry on which that depends and must not. Usual "
        "causes are a convolution whose window includes the present entry, attention without a "
        "mask, and normalisation over all entries. Numbers count from 0.",
    ),
    "GD891": (
        "two orders of the same entries",
        "Where several causal nets stand in the law of one variable, the chain rule needs one "
        "order of its entries: with two the product of the conditionals is no density. `order = "
        "random` is drawn for each net by itself; `order = given` says it.",
    ),
    "GD892": (
        "an option of draws that does not apply",
        "`temperature`, `top_k` and `nucleus` change the probabilities of finitely many values "
        "of an entry before it is drawn. They are for variables that reach themselves through a "
        "causal net and whose entries are categories, bits, or other values that can be listed. "
        "A temperature is above 0, a nucleus a probability above 0, and at least one value is "
        "left.",
    ),
    "GD893": (
        "gaps that are not the end of a row",
        "An autoregressive model gives the law of each entry given those before it, so that a "
        "row can be continued from any entry on, in the order of its network. What comes before "
        "a known entry has no law at hand. Fit with an order in which what is known comes first,"
        " or use a model whose latents tie the entries together: their posterior fills any gap.",
    ),
}
