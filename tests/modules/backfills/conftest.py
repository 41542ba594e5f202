from tests.jobs.conftest import declared_tasks
from tests.modules.admin.conftest import browser, clock

__all__ = ["browser", "clock", "declared_tasks"]
