"""Potentials for the compiled sampler: C, or Python functions that it calls."""

from __future__ import annotations

import ctypes

import numpy as np

from gendsl.runtime.native.build import NotNative, loaded

__all__ = ["Called", "Compiled", "without_compiler"]

FUNCTION = ctypes.CFUNCTYPE(ctypes.c_double, *[ctypes.c_void_p] * 4)


def array(address, size):
    return np.ctypeslib.as_array(ctypes.cast(address, ctypes.POINTER(ctypes.c_double)), (size,))


class Called:
    """A Python function of a point that gives value and gradient."""

    def __init__(self, function, size, work=1000):
        def both(x, gradient, _constants, _workspace):
            with np.errstate(all="ignore"):
                value, slope = function(array(x, size).copy())
            array(gradient, size)[:] = slope
            return value

        self._held = FUNCTION(both)
        self.function_address = ctypes.cast(self._held, ctypes.c_void_p).value
        self.constants_pointer, self.room, self.size, self.work = 0, 1, size, work


class Compiled:
    """Statements of C that set `value` and `g` from `x`, for `n` coordinates."""

    def __init__(self, statements, size, work=1000):
        source = (
            "#include <math.h>\n"
            "double gen_both(const double *x, double *g, const double *const *c, double *w) {\n"
            f"enum {{ n = {size} }}; double value = 0;\n{statements}\nreturn value;\n}}\n"
        )
        self._library = loaded(source)
        address = ctypes.cast(self._library.gen_both, ctypes.c_void_p)
        self.function_address = address.value
        self.constants_pointer, self.room, self.size, self.work = 0, 1, size, work

    def __call__(self, x):
        """As a Python function."""
        function, gradient = FUNCTION(self.function_address), np.empty(self.size)
        x = np.ascontiguousarray(x)
        value = function(x.ctypes.data, gradient.ctypes.data, None, None)
        return value, gradient


def without_compiler():
    """Why compiled targets cannot be tested here; None where they can."""
    try:
        loaded("double gen_both(void) { return 0; }\n")
    except NotNative as error:
        return str(error)
    return None
