"""The schemas of users to which extensions may add fields."""

from undercroft.core.crud.extra_fields import Extensible
from undercroft.modules.users.models import User
from undercroft.modules.users.schemas import ProfileRead, UserAdminRead, UserAdminUpdate, UserQuery, UserUpdate

EXTENSIBLE = (
    Extensible(
        User,
        read=(ProfileRead, UserAdminRead),
        update=(UserUpdate,),
        admin_update=(UserAdminUpdate,),
        query=(UserQuery,),
    ),
)
