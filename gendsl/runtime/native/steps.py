"""The operations that are not entrywise."""

from __future__ import annotations

from gendsl.runtime.native.emit import CEmitter, NotNative, Operand
from gendsl.runtime.native.factors import FACTORS
from gendsl.runtime.native.places import PLACES
from gendsl.runtime.native.solvers import INTEGRATIONS
from gendsl.runtime.native.sums import SUMS
from gendsl.runtime.native.views import VIEWS
from gendsl.runtime.tracing import Step

__all__ = ["translate"]

HANDLERS = {**VIEWS, **SUMS, **PLACES, **FACTORS, **INTEGRATIONS}


def translate(c: CEmitter, name: str, step: Step, number: int) -> Operand:
    """One step that is not entrywise.

    Raises:
        NotNative: there is no translation.
    """
    handler = HANDLERS.get(name)
    if handler is None:
        raise NotNative(f"the operation {name}")
    return handler(c, step, number)
