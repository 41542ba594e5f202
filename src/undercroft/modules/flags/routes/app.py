"""The route by which a client learns its features."""

from undercroft.core.http import CurrentPrincipal, Router, Tag
from undercroft.modules.flags.schemas import EvaluatedFlags
from undercroft.modules.flags.service.evaluation import evaluate_all

FLAGS = Tag("Features", "Features that are on for the current user.", group="Account")

app = Router(surface="app", prefix="/flags", tag=FLAGS, self_only=True)


@app.get("", summary="List the caller's features")
async def list_features(principal: CurrentPrincipal) -> EvaluatedFlags:
    """Returns whether each feature is on for the current user in the current team."""
    return EvaluatedFlags(flags=evaluate_all(principal))
