"""Feature flags, which modules declare in their files `flags.py` and administrators change while the application runs.

BETA = Flag("hotel.beta", description="The new booking page.")

if is_enabled(BETA, principal): ...
@router.get("/beta", dependencies=[Depends(require_flag(BETA))], errors=(FeatureNotFound,))
"""

from undercroft.core import Module
from undercroft.modules.flags.dependencies import require_flag
from undercroft.modules.flags.errors import FeatureNotFound
from undercroft.modules.flags.models import Flag
from undercroft.modules.flags.service.evaluation import is_enabled

MODULE = Module(requires=("users", "teams"), optional=True)

__all__ = ["MODULE", "FeatureNotFound", "Flag", "is_enabled", "require_flag"]
