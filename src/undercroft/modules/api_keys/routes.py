"""Routes of API keys. They require a session: requests with an API key cannot manage API keys.

Every user manages their own keys; the service checks the permissions for keys of the team.
"""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Response

from undercroft.core.auth import StepUpRequired
from undercroft.core.db import ReadSessionDep, SessionDep, UnknownSort
from undercroft.core.http import (
    Audit,
    CurrentPrincipal,
    Exempt,
    Page,
    PageQuery,
    PermissionDenied,
    Router,
    Surface,
    Tag,
    When,
)
from undercroft.core.http.query import query
from undercroft.modules.api_keys.errors import (
    ApiKeyNotFound,
    ExpiryInPast,
    PersonalTeamKey,
    RotationOverlaps,
    ScopesExceedRole,
    TooManyApiKeys,
    UnknownScope,
)
from undercroft.modules.api_keys.models import ApiKey, KeyKind
from undercroft.modules.api_keys.repository import ApiKeyRepository
from undercroft.modules.api_keys.schemas import ApiKeyCreate, ApiKeyRead, ApiKeyRotate, ApiKeyUpdate, ApiKeyWithSecret
from undercroft.modules.api_keys.service.api_keys import ApiKeyService

API_KEYS = Tag("API keys", "API keys of users and teams.", group="Account")
PREFIX = "/api-keys"

router = Router(surface="app", prefix=PREFIX, tag=API_KEYS, self_only=True, api_keys=False)

FIELD_ERRORS = (UnknownScope, ScopesExceedRole, ExpiryInPast)


class ApiKeyQuery(PageQuery):
    sortable = ApiKeyRepository.sortable

    kind: KeyKind | None = None


@router.get("", summary="List API keys", errors=(UnknownSort, PermissionDenied))
async def list_api_keys(
    query: Annotated[ApiKeyQuery, query(ApiKeyQuery)], principal: CurrentPrincipal, session: ReadSessionDep
) -> Page[ApiKeyRead]:
    """Returns the user's own keys and, with the permission `api_keys:read`, those of the current team.

    The response does not contain secrets.
    """
    keys = await ApiKeyService(session, principal).list_visible(query.paging, kind=query.kind)
    return Page.of(keys, ApiKeyRead.of)


@router.post(
    "",
    status_code=201,
    audit="api_key.created",
    step_up=True,
    idempotency="never_store",
    summary="Create an API key",
    errors=(*FIELD_ERRORS, StepUpRequired, PermissionDenied, PersonalTeamKey, TooManyApiKeys),
)
async def create_api_key(
    body: ApiKeyCreate, principal: CurrentPrincipal, session: SessionDep, response: Response
) -> ApiKeyWithSecret:
    """Creates a key and returns it in `key`. The key is shown only once.

    A key of the current team requires the permission `api_keys:write`.
    """
    key, text = await ApiKeyService(session, principal).create(body)
    response.headers["Location"] = f"{Surface.APP.prefix}{PREFIX}/{key.id}"
    return _key_response(key, text, response)


@router.get("/{key_id}", summary="Get an API key", errors=(ApiKeyNotFound,))
async def read_api_key(key_id: UUID, principal: CurrentPrincipal, session: ReadSessionDep) -> ApiKeyRead:
    """Returns the key without its secret."""
    return ApiKeyRead.of(await ApiKeyService(session, principal).read(key_id))


@router.patch(
    "/{key_id}",
    audit=Audit("api_key.changed", none_when="nothing changed"),
    step_up=When("the key gains scopes or a later expiry"),
    summary="Update an API key",
    errors=(ApiKeyNotFound, StepUpRequired, PermissionDenied, *FIELD_ERRORS),
)
async def update_api_key(
    key_id: UUID, body: ApiKeyUpdate, principal: CurrentPrincipal, session: SessionDep
) -> ApiKeyRead:
    """Changes only the given fields, effective with the key's next request."""
    return ApiKeyRead.of(await ApiKeyService(session, principal).update(key_id, body.model_dump(exclude_unset=True)))


@router.post(
    "/{key_id}/rotate",
    audit="api_key.rotated",
    step_up=True,
    idempotency="never_store",
    summary="Rotate an API key",
    errors=(ApiKeyNotFound, StepUpRequired, PermissionDenied, ScopesExceedRole, RotationOverlaps),
)
async def rotate_api_key(
    key_id: UUID, principal: CurrentPrincipal, session: SessionDep, response: Response, body: ApiKeyRotate | None = None
) -> ApiKeyWithSecret:
    """Replaces the secret and returns the new key in `key`, only once.

    The previous key stays valid for `overlap_hours`, by default one day.
    """
    hours = body.overlap_hours if body else None
    overlap = None if hours is None else timedelta(hours=hours)
    key, text = await ApiKeyService(session, principal).rotate(key_id, overlap=overlap)
    return _key_response(key, text, response)


@router.delete(
    "/{key_id}",
    status_code=204,
    audit="api_key.revoked",
    step_up=Exempt("It only removes access."),
    summary="Delete an API key",
    errors=(ApiKeyNotFound, PermissionDenied),
)
async def delete_api_key(key_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> None:
    """Revokes the key. Requests with it fail from now on."""
    await ApiKeyService(session, principal).revoke(key_id)


def _key_response(key: ApiKey, text: str, response: Response) -> ApiKeyWithSecret:
    response.headers["Cache-Control"] = "no-store"
    return ApiKeyWithSecret.of(key, key=text)
