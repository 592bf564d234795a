"""Normalizing flows: torch modules from the transforms of the language."""

from __future__ import annotations

from gendsl.runtime.flows.bijection import Bijection
from gendsl.runtime.flows.building import FLOW_BUILDERS, build_flow
from gendsl.runtime.flows.flow import Flow, FlowTransform, observed

__all__ = ["FLOW_BUILDERS", "Bijection", "Flow", "FlowTransform", "build_flow", "observed"]
