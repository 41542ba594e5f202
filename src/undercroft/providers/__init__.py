"""Adapters of external services: one package per kind of service, one module per provider, one Protocol each."""
