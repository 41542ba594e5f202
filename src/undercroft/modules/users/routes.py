"""Oneself, and people for administrators."""
