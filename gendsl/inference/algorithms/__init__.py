"""The algorithms of this version, one a file."""

from gendsl.inference.algorithms.contrastive_divergence import SPEC as contrastive_divergence
from gendsl.inference.algorithms.enumeration import SPEC as enumeration
from gendsl.inference.algorithms.exact import SPEC as exact
from gendsl.inference.algorithms.map import SPEC as map_
from gendsl.inference.algorithms.mle import SPEC as mle
from gendsl.inference.algorithms.noise_contrastive import SPEC as noise_contrastive
from gendsl.inference.algorithms.nuts import SPEC as nuts
from gendsl.inference.algorithms.ratio_matching import SPEC as ratio_matching
from gendsl.inference.algorithms.score_matching import SPEC as score_matching
from gendsl.inference.algorithms.spec import AlgorithmSpec
from gendsl.inference.algorithms.svi import SPEC as svi
from gendsl.library.registry import Registry

__all__ = ["ALGORITHMS"]

ALGORITHMS: Registry[AlgorithmSpec] = Registry(AlgorithmSpec, vars())
"""Every algorithm, by the name after `infer`."""

_ = (
    contrastive_divergence,
    enumeration,
    exact,
    map_,
    mle,
    noise_contrastive,
    nuts,
    ratio_matching,
    score_matching,
    svi,
)
