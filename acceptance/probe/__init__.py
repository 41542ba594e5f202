"""A module for acceptance runs alone: jobs that leave a trace. It is copied into the clone like any new module."""

from undercroft.core import Module

MODULE = Module()
