"""The connections to identity providers as a dependency of routes."""

from typing import Annotated

from fastapi import Depends

from undercroft.core.context import current_context
from undercroft.modules.identities.service.connections import Connections


async def get_connections() -> Connections:
    return current_context().get(Connections)


ConnectionsDep = Annotated[Connections, Depends(get_connections)]
