"""The operations that are not entrywise."""

from __future__ import annotations

from gendsl.runtime.native.emit import CEmitter, NotNative, Operand, Pieces
from gendsl.runtime.native.factors import FACTORS
from gendsl.runtime.native.gaussians import GAUSSIANS
from gendsl.runtime.native.paths import PATHS
from gendsl.runtime.native.places import PLACES
from gendsl.runtime.native.solvers import INTEGRATIONS
from gendsl.runtime.native.sums import SUMS
from gendsl.runtime.native.systems import SYSTEMS
from gendsl.runtime.native.views import VIEWS
from gendsl.runtime.tracing import Step

__all__ = ["translate"]

HANDLERS = {**VIEWS, **SUMS, **SYSTEMS, **PLACES, **FACTORS, **INTEGRATIONS, **PATHS, **GAUSSIANS}


def translate(c: CEmitter, name: str, step: Step, number: int) -> Operand | Pieces:
    """One step that is not entrywise.

    Raises:
        NotNative: there is no translation.
    """
    handler = HANDLERS.get(name)
    if handler is None:
        raise NotNative(f"the operation {name}")
    return handler(c, step, number)
