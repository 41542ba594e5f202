"""`/admin` as a whole: SQLAdmin with our views, templates and sessions, behind the gate that knows who may come in.

What SQLAdmin does otherwise and is mended here: rows are deleted in the way of their view, and a refusal is told
instead of put into an address that anybody may write; there is no sign-in, sign-out or import of its own; errors go to
the application's own pages; a missing `pks` and a file in place of a text are no faults of the program.
"""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

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
    """All views of all modules. `templates` are folders to look into before our own."""

    def __init__(
        self,
        database: Database,
        views: Iterable[type[AdminView]],
        charts: Sequence[Chart],
        templates: Sequence[Path] = (),
    ) -> None:
        logging.getLogger("sqladmin.application").setLevel(logging.CRITICAL)  # what went wrong is logged by the view
        self.database = database
        self.charts = charts
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
        ours = [FileSystemLoader(folder) for folder in self._folders]
        assert templates.env.loader is not None
        templates.env.loader = ChoiceLoader([*ours, templates.env.loader])
        templates.env.globals["own_style"] = asset_url(CORE_ASSETS / "admin.css")
        templates.env.globals["own_script"] = asset_url(CORE_ASSETS / "admin.js")
        return templates

    async def index(self, request: Request) -> Response:
        """The dashboard."""
        async with self.database.read_session() as session:
            charts = [(chart.title, await render_chart(session, chart)) for chart in self.charts]
        page: Response = await self.templates.TemplateResponse(request, "sqladmin/index.html", {"charts": charts})
        return page

    async def list(self, request: Request) -> Response:
        """SQLAdmin would show what `error` in the address says, whoever wrote it."""
        if "error" in request.query_params:
            raise BadRequest
        response: Response = await super().list(request)
        return response

    async def create(self, request: Request) -> Response:
        await _refuse_files(request)
        response: Response = await super().create(request)
        return response

    async def edit(self, request: Request) -> Response:
        await _refuse_files(request)
        response: Response = await super().edit(request)
        return response

    async def delete(self, request: Request) -> Response:
        """Remove rows, each in a transaction of its own; the first refusal ends it and is told."""
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
    """SQLAdmin would take a file for what the row holds. Raises `BadRequest`: no field of ours takes one."""
    if any(isinstance(value, UploadFile) for value in (await request.form()).values()):
        await request.close()
        raise BadRequest


class _SessionMaker:
    """What SQLAdmin takes for a session maker. Our views never ask it for a session: they have their own ways."""

    class_ = AsyncSession

    def __init__(self, database: Database) -> None:
        self._database = database

    def configure(self, **_: Any) -> None:
        return None

    def __call__(self, **_: Any) -> Any:
        raise RuntimeError("Views read and write through their own methods.")
