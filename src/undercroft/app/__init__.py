"""Composition: finds the modules, puts them together, decides nothing."""

import gc

from pydantic import BaseModel

from undercroft import import_without

# What a start makes stays: the default threshold has the collector look through all of it again and again in vain.
gc.set_threshold(20_000, 50, 100)


def _import_fastapi() -> None:
    """FastAPI has dozens of models for a document that few processes write: their validators wait for their first use,
    and so does email_validator, which it takes for an address that ours does not give."""
    BaseModel.model_config["defer_build"] = True
    try:
        import_without("email_validator", "fastapi")
    finally:
        del BaseModel.model_config["defer_build"]


_import_fastapi()
