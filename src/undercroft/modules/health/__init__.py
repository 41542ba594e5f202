"""Liveness and readiness checks for load balancers and operators."""

from undercroft.core import Module

MODULE = Module()
