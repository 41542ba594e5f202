"""Registers two-factor authentication with sign-in at startup."""

from fastapi import FastAPI

from undercroft.modules.auth import bind_second_factor
from undercroft.modules.mfa.second_factor import PendingSignInService


async def start(_app: FastAPI) -> None:
    bind_second_factor(PendingSignInService())
