"""Services of the MFA challenge and of step-up authentication as dependencies of routes."""

from typing import Annotated

from fastapi import Depends

from undercroft.core.http import CurrentPrincipal
from undercroft.modules.auth import AuthServicesDep
from undercroft.modules.mfa.service.second_factor import SecondFactorService, StepUpService
from undercroft.modules.sessions import CurrentClient


async def get_second_factor_service(auth_services: AuthServicesDep, client: CurrentClient) -> SecondFactorService:
    return SecondFactorService(auth_services, client)


async def get_step_up_service(
    auth_services: AuthServicesDep, principal: CurrentPrincipal, client: CurrentClient
) -> StepUpService:
    return StepUpService(auth_services, principal, client)


SecondFactorServiceDep = Annotated[SecondFactorService, Depends(get_second_factor_service)]
StepUpServiceDep = Annotated[StepUpService, Depends(get_step_up_service)]
