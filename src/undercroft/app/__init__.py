"""Composition: finds the modules, puts them together, decides nothing."""
