"""Upgrades of a project: the releases of Undercroft, and what an upgrade changes."""
