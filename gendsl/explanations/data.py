"""GD7xx: data, and how they meet the declarations of a model."""

from __future__ import annotations

__all__ = ["CODES"]

CODES: dict[str, tuple[str, str]] = {
    "GD701": (
        "a data file cannot be read",
        "The file does not exist, is a folder, may not be read, or is damaged. Paths are taken "
        "from the folder in which the command runs.",
    ),
    "GD702": (
        "a data file of no known kind",
        "What a file holds is told by its extension: `.csv` and `.tsv` (with a header), `.json`, "
        "`.npz`, `.parquet`, `.nc` (NetCDF-4). Save the data as one of these.",
    ),
    "GD703": (
        "a data file is malformed",
        "The file is empty, is not UTF-8, or is not what its extension says. A CSV file has a "
        "first line of column names, commas between cells and points in decimal numbers. A JSON "
        'file is an object of names and values, `{"y": [1, 2]}`, or a list of objects, '
        '`[{"y": 1}, {"y": 2}]`. Python objects in an NPZ file are never loaded.',
    ),
    "GD704": (
        "rows or lists of different lengths",
        "Every row of a table has one cell for each column, and nested lists make a full array: "
        "`[[1, 2], [3]]` does not. Lists that really differ in length are given as one long "
        "list, and beside it, for each value, the number of the list it is in: with "
        "`plate word` and `input doc_of[word]: index(doc)`.",
    ),
    "GD705": (
        "data given twice",
        "Two columns, keys or files have the same name, so that it is not clear which one is "
        "meant; the last one never wins. Rename one, or leave it out.",
    ),
    "GD706": (
        "data too large",
        "Data are held in memory, and files of more than 8 GiB (unpacked) are refused before "
        "they are read. Keep the columns that the model needs, or a sample of the rows.",
    ),
    "GD707": (
        "a value that cannot be data",
        "Data are numbers, truth values and text: in a dict by name, as numbers, nested lists, "
        "NumPy arrays, tensors, Series, DataArrays or DataFrames; or a DataFrame, a Dataset, or "
        "the path of a file. Complex numbers, sets, functions and whole numbers beyond 63 bits "
        "are none of these.",
    ),
    "GD710": (
        "a declared variable has no data",
        "Every `input` needs data, and so does every `observe` in a fit: an observed variable "
        "without data does not silently become unknown. Names are compared exactly, capitals "
        'included. Rename the column, or map it: `fit(data, columns={"log_radon": "log radon"})`.',
    ),
    "GD711": (
        "a name that the model does not have",
        "A key of a dict, a table given for a plate, or an entry of `columns`, `sizes` must be a "
        "name of the model: a misspelt name is never passed over. Columns and files may hold "
        "more than the model uses, which is noted as GD790.",
    ),
    "GD712": (
        "data for something that is not given",
        "The data have the name of a latent, a param or a `let`, which are inferred, learned or "
        "computed. If it is known, declare it `observe` or `input`; otherwise rename the column, "
        "so that nobody takes the one for the other.",
    ),
    "GD713": (
        "a column that does not belong to the rows",
        "The rows of a table are the members of one plate, so a table supplies variables with "
        "just that plate. With `floor[house]` and `u[county]`, give two tables: "
        '`--data house=houses.csv --data county=counties.csv`, in Python `{"house": houses, '
        '"county": counties}`. Variables with two plates or none are given as arrays.',
    ),
    "GD714": (
        "numbered columns with gaps or of two kinds",
        "A variable such as `X[n]: real[D]` may stand in columns `X1`, `X2`, ... (or `X_1`, "
        "`X.1`, `X[1]`) that count from 0 or 1 without gaps. Where they do not, name them: "
        '`columns={"X": ["age", "height"]}`.',
    ),
    "GD715": (
        "text among numbers",
        "The variable is declared as a number, but its data hold text. In a file an empty cell, "
        "`NA` and `NaN` mark missing values and nothing else does; `1,5` is text, `1.5` is a "
        "number. Text is data only where the type is an index: `index(county)`.",
    ),
    "GD720": (
        "an array with the wrong number of axes",
        "An array has the plates of its variable, in the declared order, then its event axes. No "
        "axis is ever added, dropped or stretched: shape `(8, 1)` is not `(8,)`, and one number "
        "is not one for each member. For `y[school]` give `y[:, 0]`, or `np.full(8, 2.0)`.",
    ),
    "GD721": (
        "sizes that disagree",
        "Sizes come from the text, from `sizes`, from an integer of the axis's name, from tables, "
        "labels and arrays, and all that speak must agree. The message says who said which. A "
        "frequent cause is an array with its axes in another order: give `y.T`.",
    ),
    "GD722": (
        "a size that nobody states",
        "No data have this axis. Write the size in the model, `plate component = 3`, give an "
        'integer of that name in the data, `{"component": 3}`, or, to simulate, '
        '`simulate(sizes={"component": 3})`.',
    ),
    "GD723": (
        "a size that is no size",
        "A size is a whole number, 0 or more. A plate of size 0 is legal, and contributes nothing "
        "to the density. A size that is random is not supported: use the largest one and leave "
        "members out by a factor of 0.",
    ),
    "GD724": (
        "a size beyond reason",
        "An axis of more than 10^9 members, or a variable of more than 10^10 numbers, does not "
        "fit into memory. Most often it is a slip: an identifier that was taken for a count.",
    ),
    "GD725": (
        "labelled axes that do not match",
        "The axes of an xarray DataArray are matched by name, in whatever order they come. "
        'Rename them to the plates of the model: `array.rename({"School": "school"})`.',
    ),
    "GD730": (
        "values outside the support",
        "The values do not meet the type of the variable, or, where it has none, the support of "
        "its distribution: a Poisson count is 0, 1, 2, ..., `positive` excludes 0, bounds as in "
        "`real(0, 1)` are included. Correct the data, or declare what they really are.",
    ),
    "GD731": (
        "a whole number that is too large",
        "Whole numbers from 2^53 on are not all exact in the arithmetic of densities. If they are "
        "labels, declare an index and give them as text.",
    ),
    "GD732": (
        "missing values",
        "The values are NaN, None or empty, and the declaration does not allow it. Leave the rows "
        "out, or declare `observe y[n]: real?`, which says that values may be missing (at "
        "random, given what is observed) and lets them be inferred or drop out. Inputs must be "
        "known.",
    ),
    "GD733": (
        "infinite values",
        "Infinity is no observation. Where it stands for a value that is unknown, make it NaN and "
        "declare `?`; where it stands for one that was cut off, say so with `Censored(...)`.",
    ),
    "GD734": (
        "a vector or matrix that breaks its rule",
        "A simplex has entries of 0 or more that add up to 1, `ordered` increases strictly, "
        "`zero_sum` adds up to 0, a `unit_vector` has length 1, a `covariance` is symmetric and "
        "positive definite, a `correlation` has ones on its diagonal too, an angle is in radians; "
        "to 10^-6. Rounded shares are made a simplex by `x / x.sum(-1, keepdims=True)`.",
    ),
    "GD735": (
        "a value that is missing in part",
        "The entries of this value are tied together (by a simplex, say, or a multivariate "
        "normal distribution), so that it is missing as a whole or not at all. Make all of its "
        "entries NaN, or model the entries as independent.",
    ),
    "GD740": (
        "an index out of range",
        "Numbers of an `index(p)` column are 0 to n-1, where n is the size of p. Numbers that are "
        "names (101, 205) are listed as the labels of the plate: a column `county` in the table "
        'given for `county`, or a key `{"county": [101, 205]}`; or they are given as text.',
    ),
    "GD741": (
        "an index that counts from 1",
        "The members of a plate are numbered from 0, but the column seems to count from 1, and "
        "reading it as it stands would shift every member. Pass `index_base=1` (on the command "
        "line `--index-base 1`), which holds for all columns of index type.",
    ),
    "GD742": (
        "an unknown label",
        "The labels of the plate are listed, by the table given for it, by a key of its name, or "
        "by the fit, and this one is not among them. When predicting, a plate with values of its "
        "own in the new data (`u[county]`) has just the members of the new data.",
    ),
    "GD743": (
        "labels that are missing or repeated",
        "A column or key of a plate's name lists the label of each of its members once. A column "
        "that says which member each row belongs to is an index: declare "
        "`input county_of[house]: index(county)`, and rename the column or map it with "
        '`columns={"county_of": "county"}`.',
    ),
    "GD744": (
        "labels that disagree or cannot be matched",
        "Two lists of the labels of one plate differ; or there are more or fewer labels than "
        "members; or rows refer to members by label while the values of the members come without "
        'labels. List the labels once, in the order of the values: `{"county": ["AITKIN", ...]}`, '
        "or as a column `county` in the table for `county`.",
    ),
    "GD745": (
        "numbers with gaps, and no size",
        "An index of numbers tells the size of its plate only when 0 to n-1 all occur. Where "
        "members have no rows, write the size, `plate county = 85`. Where the numbers are names, "
        'give them as text or list them as labels, `{"county": [101, 205]}`.',
    ),
    "GD746": (
        "index_base is 0 or 1",
        "`index_base` says from which number the columns of index type count: 0, or 1.",
    ),
    "GD747": (
        "steps that are not in order",
        "The steps of a sequence are the rows in their order. Labels that are numbers or dates "
        "must increase along the rows: sort the table by them.",
    ),
    "GD790": (
        "data that are not used",
        "A file or DataFrame holds columns or arrays that the model does not mention. They are "
        "passed over. A key of a dict that the model does not know is an error instead: GD711.",
    ),
}
