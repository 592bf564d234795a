"""A tape as C: fused loops, built by the system's compiler and kept for the next time."""

from gendsl.runtime.native.build import Native, NotNative, build

__all__ = ["Native", "NotNative", "build"]
