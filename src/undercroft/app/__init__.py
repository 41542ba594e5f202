"""Composition: finds the modules, puts them together, decides nothing."""

import gc

from pydantic import BaseModel

from undercroft import import_without

# What a start makes stays: the default threshold has the collector look through all of it again and again in vain.
gc.set_threshold(20_000, 50, 100)

# A model's validator is built at its first use. FastAPI has dozens for a document that few processes write.
BaseModel.model_config["defer_build"] = True

# FastAPI takes email_validator for an address in that document, which ours does not give.
import_without("email_validator", "fastapi")
