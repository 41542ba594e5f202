"""Routes of the health checks. Liveness checks only the process; readiness checks every component."""

from fastapi import Response

from undercroft import __version__
from undercroft.core.context import current_context
from undercroft.core.health import Health, HealthStatus, overall_status
from undercroft.core.http import Router, Tag
from undercroft.modules.health.schemas import ComponentRead, ComponentStatus, Liveness, Readiness

HEALTH = Tag("Health", "Liveness and readiness of the service.", group="Operations")

public = Router(surface="public", prefix="/health", tag=HEALTH)
root = Router(surface="root", tag=HEALTH, include_in_schema=True)

LIVENESS_BODY = Liveness(status=HealthStatus.HEALTHY, version=__version__).model_dump_json().encode()


@root.get(
    "/health", limit=None, any_host=True, response_model=Liveness, summary="Liveness check", operation_id="health.root"
)
@public.get("", limit=None, response_model=Liveness, summary="Liveness check", operation_id="health.live")
async def live() -> Response:
    """Returns 200 while the process serves requests. It checks no dependencies."""
    return Response(LIVENESS_BODY, media_type="application/json")


@public.get(
    "/ready",
    limit=None,
    summary="Readiness check",
    responses={503: {"model": Readiness, "description": "A required component is down."}},
)
async def ready(response: Response) -> Readiness:
    """Checks every component. Returns 503 if a required component is down."""
    readings = await current_context().get(Health).check_all()
    status = overall_status(readings)
    response.status_code = 503 if status is HealthStatus.UNHEALTHY else 200
    return Readiness(
        status=status,
        components={
            reading.component.name: ComponentRead(
                status=ComponentStatus.UP if reading.up else ComponentStatus.DOWN,
                latency_ms=reading.latency_ms,
                required=reading.component.required,
                details=reading.details,
            )
            for reading in readings
        },
    )
