"""GD860 to GD880: fits by ``svi``, and what their networks are asked for."""

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
        "else; a plate of rows to generate; inputs for as many rows as are asked for; and, where "
        "a `length` is given, a sequence. Rows of which all values may be missing need some value "
        "all the same. The message says which of these does not hold.",
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
    "GD870": (
        "rows that are read in batches",
        "Arrays in `.npy` files, Parquet files, torch data sets and loaders are read a batch at a "
        "time and are never in memory as a whole. So each row must be used by itself: the members "
        "of one plate are the first axis of everything that is read, nothing is computed from all "
        "of them, and categories are numbers. Rows of a loader have no numbers, so that none can "
        "be held out, and a loader that shuffles cannot be encoded row by row. Such rows are not "
        "kept with a fit that is saved. The message says which of these stands in the way; data "
        "that fit into memory may always be given as arrays.",
    ),
    "GD880": (
        "a flow that is no bijection on the data",
        "Before a training every layer of a flow is looked at on some rows of the data, in double "
        "precision: its two directions must undo each other, its log-determinants must be those "
        "of its Jacobian, and all numbers must be finite. The message names the layer. Data that "
        "are far out are the usual cause: look for codes such as 999999 that stand for missing "
        "values. After the training the same is looked at, and is part of the verdict.",
    ),
    "GD871": (
        "values that are no picture",
        "Pictures show the values of one variable, a row a picture, as height by width, or with 3 "
        "channels in front or behind. A vector is a picture where its length is a square; else "
        "`height` and `width` say how it is laid out. A scatter plot needs a code of two numbers "
        "or "
        "more, and labels as many as rows.",
    ),
    "GD872": (
        "what is asked of latents cannot be computed",
        "`impute` draws missing values given latents of their own row: something must be missing, "
        "and no other random quantity may depend on it. `interpolate` leads from the code of one "
        "row to that of another, where codes are numbers without categories; a spherical path "
        "needs "
        "two directions that are not opposite. The message says what does not hold.",
    ),
    "GD873": (
        "rows that are not known",
        "`score` may be asked for the rows that a fit was trained on or those that were held out. "
        "That needs an option `held_out`, and the data of the fit.",
    ),
    "GD874": (
        "values that a prediction would not use",
        "`predict` draws new rows: their latents come from the prior, whatever is known of what "
        "they would generate. `generate` draws them given observed variables that depend on "
        "nothing random, such as labels of classes, and given no others. What the guide makes of "
        "given values is told by `encode`, `reconstruct` and, where some are missing, `impute`; "
        "without latents `log_prob` scores rows. Members whose labels the fit knew keep their "
        "posterior.",
    ),
    "GD865": (
        "options of svi that do not go together",
        "Bounds, estimators of their gradients and weights of terms are options, and some exclude "
        "one another, need another one, or would change nothing. The message says which; nothing "
        "is "
        "trained before that has been checked.",
    ),
    "GD866": (
        "modules that the model does not ask for, or does not get",
        "A net without an architecture, `net f: real[D] -> real`, is computed by a module of "
        'yours: `model.fit(data, nets={"f": module})`, and again `load_fit(folder, nets={"f": '
        "module})`, since saved runs hold weights but no code. Each such net needs one, and no "
        "other net takes one. From the shell no module can be given.",
    ),
    "GD867": (
        "a module that does not suit the signature of its net",
        "A module, or a function without weights, is called with one batch axis in front of the "
        "declared shapes and gives the declared values, of a record as a dict, in the support of "
        "each: links are its own business. It is tried on a few random rows before anything is "
        "trained: shapes, names, dtype, device, finite numbers and supports must be right there; "
        "that an output is positive everywhere is your word. After `eval()` the values of a row "
        "must depend on that row alone and be the same each time; batch normalisation and dropout "
        "in training are remarked on or allowed. What is wrong is told all at once.",
    ),
}
