"""The schemas of teams to which extensions may add fields."""

from undercroft.core.crud.extra_fields import Extensible
from undercroft.modules.teams.models import Team
from undercroft.modules.teams.schemas import TeamAdminQuery, TeamAdminRead, TeamCreate, TeamQuery, TeamRead, TeamUpdate

EXTENSIBLE = (
    Extensible(
        Team,
        read=(TeamRead, TeamAdminRead),
        create=(TeamCreate,),
        update=(TeamUpdate,),
        query=(TeamQuery, TeamAdminQuery),
    ),
)
