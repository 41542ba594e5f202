"""The built console."""
