from tests.jobs.test_backfills import declared_backfills
from tests.modules.admin.conftest import browser, clock

__all__ = ["browser", "clock", "declared_backfills"]
