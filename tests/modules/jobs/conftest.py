from tests.jobs.conftest import declared_tasks

__all__ = ["declared_tasks"]
