"""Adapters to the outside: one folder per kind of service, one file per provider, behind one Protocol."""
