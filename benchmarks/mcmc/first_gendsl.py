"""What gendsl compiles once on a machine, for whatever model is first: its sampler.

The compilation of a model of the benchmark then starts from the cache that this leaves: the
samplers of the peers come compiled with them.
"""

import sys
import tempfile
from pathlib import Path

import gendsl

MODEL = """\
model First
plate row
latent mu ~ Cauchy(0, 1)
observe y[row] ~ Cauchy(mu, 1)
"""

with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "first.gen"
    file.write_text(MODEL, encoding="utf-8")
    fit = gendsl.load(file).fit({"y": [0.0, 1.0]}, seed=1, warmup=100, draws=10, progress=False)
sys.exit("machine code" not in fit.tree.attrs["evaluation"])
