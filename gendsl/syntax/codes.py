"""What the codes of the syntax stage mean, for `gendsl explain`."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["CODES"]

CODES: Mapping[str, tuple[str, str]] = {
    "GD001": (
        "No model found",
        """\
There is no such file, it is a directory or holds something else than a model, or it has
nothing but comments. A model is a text that begins with `model Name`.
Bad: `gendsl check prices.csv`
Good: `gendsl check house_prices.gen`""",
    ),
    "GD002": (
        "Not UTF-8",
        """\
Model files are UTF-8. A file in UTF-16 or Latin-1, or one with a NUL byte, is refused with
the number of the first byte that does not fit, counted from 0. A byte order mark is accepted.
Bad: a comment with `é` saved as Latin-1
Good: the same comment saved as UTF-8""",
    ),
    "GD003": (
        "Text too large",
        """\
A model text has at most 128 KiB, so that checking it always takes a moment only.
Bad: `latent theta1 ~ Normal(mu, tau)`, `latent theta2 ~ Normal(mu, tau)`, …
Good: `plate school  latent theta[school] ~ Normal(mu, tau)`""",
    ),
    "GD004": (
        "Invisible character",
        """\
Characters that cannot be seen, or that change the direction of the text around them, make a
model read differently from what it says. They are refused everywhere, comments included.
Bad: a zero-width space inside `mu`
Good: `mu`, typed anew""",
    ),
    "GD005": (
        "Character that is not ASCII",
        """\
Names consist of ASCII letters, digits and underscores, and signs are ASCII: a Cyrillic `а`
looks like a Latin `a` and is another name. Comments may hold any visible characters.
Bad: `latent σ ~ HalfNormal(1)`
Good: `latent sigma ~ HalfNormal(1)`""",
    ),
    "GD006": (
        "Sign of another language",
        """\
The language has no semicolons, braces, quotes, `^`, `:=`, `&&` or `//`. A statement ends where
the next keyword stands, a comment begins with `#`, and a power is written `**`.
Bad: `let area = side ^ 2;`
Good: `let area = side ** 2`""",
    ),
    "GD007": (
        "Malformed number",
        """\
Numbers are Python's decimal integers and floats: `7`, `1_000`, `.5`, `5.`, `1e-3`. There are
no leading zeros, no hexadecimal numbers, and no units or factors behind a number.
Bad: `let x = 007 + 0x1F + 2y`
Good: `let x = 7 + 31 + 2 * y`""",
    ),
    "GD008": (
        "Number out of range",
        """\
An integer must fit in 64 bits and a float must be finite. Nothing wraps around or becomes
infinite in silence; infinity is written `inf`.
Bad: `let x = 1e400`
Good: `let x = inf`""",
    ),
    "GD009": (
        "Number becomes zero",
        """\
The number is so small that it becomes 0. This is a warning.
Bad: `let p = 1e-400`
Good: `let log_p = -400 * log(10)`""",
    ),
    "GD010": (
        "Name too long",
        """\
A name has at most 255 characters.
Bad: a name of 300 letters
Good: a shorter one, with a comment beside it""",
    ),
    "GD011": (
        "Keyword used as a name",
        """\
The sixteen keywords that open statements, and `and or not if else causal`, are reserved
everywhere. Words of types and distributions, and Python's words, are ordinary names.
Bad: `latent input ~ Normal(0, 1)`
Good: `latent input_ ~ Normal(0, 1)`""",
    ),
    "GD012": (
        "Bracket never closed",
        """\
A bracket is still open where its statement ends, or where a bracket around it closes. The
message marks the bracket, and the last place where its end could have stood.
Bad: `latent mu ~ Normal(0, 5`
Good: `latent mu ~ Normal(0, 5)`""",
    ),
    "GD013": (
        "Closing bracket without its opening one",
        """\
A bracket closes where none is open, or where one of the other kind is.
Bad: `latent mu ~ Normal(0, 5))`
Good: `latent mu ~ Normal(0, 5)`""",
    ),
    "GD014": (
        "Nesting too deep",
        """\
Expressions nest at most 200 levels deep. Long sums and products are flat: they have no limit.
Bad: 300 opening brackets in a row
Good: `let part = …`, and an expression that uses `part`""",
    ),
    "GD015": (
        "No model line at the top",
        """\
The first statement of a file is `model Name`. Only comments may stand above it; the ones
directly above it document the model.
Bad: `latent mu ~ Normal(0, 5)` as the first line
Good: `model Schools` and then `latent mu ~ Normal(0, 5)`""",
    ),
    "GD016": (
        "Second model line",
        """\
A file declares one model. Fitted models are brought together with `use`.
Bad: `model A … model B …` in one file
Good: two files""",
    ),
    "GD017": (
        "Statement without a keyword",
        """\
Every statement begins with a keyword that says what it declares: `latent` for an unknown,
`observe` for data, `let` for a deterministic quantity, `input` for what is given, and so on.
Bad: `mu ~ Normal(0, 5)`
Good: `latent mu ~ Normal(0, 5)`""",
    ),
    "GD018": (
        "Unknown keyword",
        """\
The statement begins with a word that is no keyword, followed by a name.
Bad: `latnt mu ~ Normal(0, 5)`
Good: `latent mu ~ Normal(0, 5)`""",
    ),
    "GD019": (
        "Incomplete statement",
        """\
The statement ends, at the next keyword or at the end of the file, before it is complete. The
message marks the place where something is missing.
Bad: `input floor[house]`
Good: `input floor[house]: real`""",
    ),
    "GD020": (
        "Unexpected word or sign",
        """\
Something stands where it cannot stand; the message says what could.
Bad: `latent mu Normal(0, 5)`
Good: `latent mu ~ Normal(0, 5)`""",
    ),
    "GD021": (
        "Chained comparison",
        """\
Comparisons do not chain. What one compares is a number, what it gives is true or false.
Bad: `let inside = 0 < x < 1`
Good: `let inside = 0 < x and x < 1`""",
    ),
    "GD022": (
        "Positional argument after a named one",
        """\
In a call, positional arguments stand first, then named ones.
Bad: `Normal(loc=0, 5)`
Good: `Normal(0, scale=5)`""",
    ),
    "GD023": (
        "Wrong relation sign",
        """\
`~` says how something random is distributed, `=` what something deterministic is, `==`
compares. Each keyword takes its own: `latent` takes `~`, `let` and `param` take `=`.
Bad: `let mu ~ Normal(0, 5)`
Good: `latent mu ~ Normal(0, 5)`""",
    ),
    "GD024": (
        "Expression on the left side",
        """\
The left side of a statement lists the plates and sequences over which it holds, or a literal
step of a sequence. Lags and other expressions stand on the right.
Bad: `latent z[t+1] ~ Normal(z[t], 1)`
Good: `latent z[t] ~ Normal(z[t-1], 1)`""",
    ),
}
"""The title of each code, and its explanation in Markdown with a bad and a good example."""
