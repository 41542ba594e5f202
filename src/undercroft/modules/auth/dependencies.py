"""The components of sign-in and the services of the module as dependencies of routes."""

from typing import Annotated

from fastapi import Depends

from undercroft.core.context import current_context
from undercroft.core.db import DatabaseDep
from undercroft.core.http import CurrentPrincipal
from undercroft.modules.auth.service.account import AccountService, PasswordService
from undercroft.modules.auth.service.registration import RegistrationService
from undercroft.modules.auth.service.sign_in import AuthServices, MagicLinkService
from undercroft.modules.sessions import CurrentClient


async def get_auth_services() -> AuthServices:
    return current_context().get(AuthServices)


AuthServicesDep = Annotated[AuthServices, Depends(get_auth_services)]


async def get_registration_service(database: DatabaseDep, client: CurrentClient) -> RegistrationService:
    return RegistrationService(database, client)


async def get_password_service(database: DatabaseDep, client: CurrentClient) -> PasswordService:
    return PasswordService(database, client)


async def get_magic_link_service(database: DatabaseDep, client: CurrentClient) -> MagicLinkService:
    return MagicLinkService(database, client)


async def get_account_service(
    auth_services: AuthServicesDep, principal: CurrentPrincipal, client: CurrentClient
) -> AccountService:
    return AccountService(auth_services, principal, client)


RegistrationServiceDep = Annotated[RegistrationService, Depends(get_registration_service)]
PasswordServiceDep = Annotated[PasswordService, Depends(get_password_service)]
MagicLinkServiceDep = Annotated[MagicLinkService, Depends(get_magic_link_service)]
AccountServiceDep = Annotated[AccountService, Depends(get_account_service)]
