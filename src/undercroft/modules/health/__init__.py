"""Liveness and readiness checks for load balancers and operators."""

from undercroft.core.modules import Module

MODULE = Module()
