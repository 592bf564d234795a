"""The table of distributions."""

from __future__ import annotations

from gendsl.library.distributions.bounded import BOUNDED
from gendsl.library.distributions.discrete import DISCRETE
from gendsl.library.distributions.location_scale import LOCATION_SCALE
from gendsl.library.distributions.matrices import MATRICES
from gendsl.library.distributions.multivariate import MULTIVARIATE
from gendsl.library.distributions.positive import POSITIVE_LINE
from gendsl.library.distributions.series import SERIES_AND_FIELDS
from gendsl.library.distributions.spec import DistributionSpec
from gendsl.library.registry import Registry

__all__ = [
    "BOUNDED",
    "DISCRETE",
    "DISTRIBUTIONS",
    "LOCATION_SCALE",
    "MATRICES",
    "MULTIVARIATE",
    "POSITIVE_LINE",
    "SERIES_AND_FIELDS",
]

DISTRIBUTIONS: Registry[DistributionSpec] = Registry(DistributionSpec, vars())
