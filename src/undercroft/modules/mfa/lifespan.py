"""Registers two-factor authentication with sign-in, and step-up authentication, at startup."""

from undercroft.core.auth.step_up import StepUpAuthentication
from undercroft.core.context import AppContext
from undercroft.modules.mfa.service.second_factor import PendingSignInService
from undercroft.modules.sessions import SecondFactorProvider


async def start(context: AppContext) -> None:
    context.add(SecondFactorProvider, PendingSignInService())
    context.add(StepUpAuthentication, StepUpAuthentication())
