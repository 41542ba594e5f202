"""Composition: finds the modules, puts them together, decides nothing."""

import gc

# What a start makes stays: the default threshold has the collector look through all of it again and again in vain.
gc.set_threshold(20_000, 50, 100)
