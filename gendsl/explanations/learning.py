"""GD860 to GD865: fits by ``svi``, and what their networks are asked for."""

from __future__ import annotations

__all__ = ["CODES"]

CODES: dict[str, tuple[str, str]] = {
    "GD860": (
        "the data cannot be taken in batches",
        "A batch is some members of one plate, and every step sees one batch. That is possible "
        "where the data say how many members there are, nothing combines, counts or picks them, "
        "no param has an entry for each, and every latent of theirs has a guide that computes it "
        "from its own row: an automatic one in a model with networks, or one in the file. The "
        "message says what stands in the way. Without `batch_size` each step sees all of the "
        "data.",
    ),
    "GD861": (
        "networks have no weights yet",
        "Densities, draws and predictions of a model with networks need their weights, which a "
        "fit learns. Before that there is nothing to compute with.",
    ),
    "GD862": (
        "latents or rows that cannot be encoded, decoded or generated",
        "`encode` gives the law of the latents for rows of data, `decode` the means of the "
        "observed variables for given latents, `generate` new rows. They need a latent to encode; "
        "numbers for every latent, in its declared shape and within its type, and for nothing "
        "else; a plate of rows to generate; and inputs for as many rows as are asked for. The "
        "message says which of these does not hold.",
    ),
    "GD863": (
        "probabilities of binary data outside 0 to 1",
        "`Binarised` holds the probability of each entry to be 1, from which binary data are "
        "drawn anew for every batch. Grey values from 0 to 255 are divided by 255 first.",
    ),
    "GD864": (
        "no checkpoint to go on from",
        "A training by steps writes checkpoints into the folder `checkpoint`, and `resume` goes "
        "on from the last one there. Other methods take no steps that could be gone on with.",
    ),
    "GD865": (
        "options of svi that do not go together",
        "Bounds, estimators of their gradients and weights of terms are options, and some exclude "
        "one another or need another one. The message says which; nothing is trained before that "
        "has been checked.",
    ),
}
