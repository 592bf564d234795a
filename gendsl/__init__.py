"""gendsl: a declarative probabilistic programming language."""
