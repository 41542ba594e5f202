"""The `/admin` site: SQLAdmin with the application's views, templates and sessions, behind the guard for
administrators.

Differences from SQLAdmin: rows are deleted by their view, and an error is returned in the response instead of the URL,
which anyone can forge; sign-in, sign-out and import are removed; errors are rendered by the application's error pages;
a missing `pks` and a file in place of a text are client errors.
"""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

from jinja2 import ChoiceLoader, FileSystemLoader
from sqladmin import Admin
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute

from undercroft.core.admin.charts import Chart, render_chart
from undercroft.core.admin.view import AdminView
from undercroft.core.db import Database
from undercroft.core.errors import AppError, BadRequest, NotFound
from undercroft.core.http.assets import CORE_ASSETS, asset_url
from undercroft.core.settings import CoreSettings, load

HERE = Path(__file__).parent
EXCLUDED_ROUTES = frozenset({"login", "logout", "import", "ajax_lookup", "file_download", "file_preview"})
MAX_BULK_DELETE = 100


class AdminSite(Admin):
    """The views of all modules. `templates` are folders that take precedence over the built-in templates."""

    def __init__(
        self,
        database: Database,
        views: Iterable[type[AdminView]],
        charts: Sequence[Chart],
        templates: Sequence[Path] = (),
        *,
        sign_in_path: str,
    ) -> None:
        logging.getLogger("sqladmin.application").setLevel(logging.CRITICAL)  # the view logs its errors
        self.database = database
        self.charts = charts
        self.sign_in_path = sign_in_path
        self._folders = [*templates, HERE / "templates"]
        super().__init__(Starlette(), session_maker=_SessionMaker(database), title=load(CoreSettings).app_name)  # type: ignore[arg-type]
        self.admin.router.routes = [route for route in self.routes if getattr(route, "name", "") not in EXCLUDED_ROUTES]
        for view in views:
            view.database, view.site = database, self
            self.add_view(view)

    @property
    def routes(self) -> list[BaseRoute]:
        return self.admin.router.routes

    def find_view(self, identity: str | None) -> AdminView | None:
        return next((view for view in self.views if isinstance(view, AdminView) and view.identity == identity), None)

    def init_templating_engine(self) -> Any:
        templates = super().init_templating_engine()
        loaders = [FileSystemLoader(folder) for folder in self._folders]
        assert templates.env.loader is not None
        templates.env.loader = ChoiceLoader([*loaders, templates.env.loader])
        templates.env.globals["own_style"] = asset_url(CORE_ASSETS / "admin.css")
        templates.env.globals["own_script"] = asset_url(CORE_ASSETS / "admin.js")
        return templates

    async def index(self, request: Request) -> Response:
        """Render the dashboard."""
        async with self.database.read_session() as session:
            charts = [(chart.title, await render_chart(session, chart)) for chart in self.charts]
        return cast(Response, await self.templates.TemplateResponse(request, "sqladmin/index.html", {"charts": charts}))

    async def list(self, request: Request) -> Response:
        """Refuse the query parameter `error`, which SQLAdmin would display and which anyone can put into a link."""
        if "error" in request.query_params:
            raise BadRequest
        return cast(Response, await super().list(request))

    async def create(self, request: Request) -> Response:
        await _refuse_files(request)
        return cast(Response, await super().create(request))

    async def edit(self, request: Request) -> Response:
        await _refuse_files(request)
        return cast(Response, await super().edit(request))

    async def delete(self, request: Request) -> Response:
        """Delete rows, each in its own transaction; stop at the first error and return it."""
        pks = [pk for pk in request.query_params.get("pks", "").split(",") if pk]
        if not pks or len(pks) > MAX_BULK_DELETE:
            return PlainTextResponse(f"Choose between 1 and {MAX_BULK_DELETE} rows.", 400)
        await self._delete(request)
        view = self.find_view(request.path_params["identity"])
        if view is None:
            raise NotFound
        try:
            for pk in pks:
                await view.delete_model(request, pk)
        except AppError as error:
            return PlainTextResponse(error.text, error.status)
        return PlainTextResponse(str(request.url_for("admin:list", identity=view.identity)))


async def _refuse_files(request: Request) -> None:
    """Raise `BadRequest` for a file in the form: no field accepts one, and SQLAdmin would store it as the value."""
    if any(isinstance(value, UploadFile) for value in (await request.form()).values()):
        await request.close()
        raise BadRequest


class _SessionMaker:
    """A placeholder for the session maker that SQLAdmin requires. Views use their own sessions."""

    class_ = AsyncSession

    def __init__(self, database: Database) -> None:
        self._database = database

    def configure(self, **_: Any) -> None:
        return None

    def __call__(self, **_: Any) -> Any:
        raise RuntimeError("Admin views use their own sessions.")
