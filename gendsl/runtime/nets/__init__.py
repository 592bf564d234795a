"""Networks: torch modules from the architectures of the language."""

from __future__ import annotations

from gendsl.library.architectures import Port
from gendsl.runtime.nets.arguments import NetError
from gendsl.runtime.nets.building import build

__all__ = ["NetError", "Port", "build"]
