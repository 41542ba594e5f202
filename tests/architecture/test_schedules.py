"""A function of a `tasks.py` that needs no arguments runs by a schedule: nothing else would enqueue it."""

import inspect
from importlib import import_module
from pkgutil import walk_packages

import undercroft
from tests.enabled import DISABLED
from undercroft.app.registry import get_registry
from undercroft.jobs import maintenance

FILES = ("tasks", "maintenance")


def test_functions_of_tasks_without_arguments_are_scheduled() -> None:
    scheduled = {task.function for task in get_registry().tasks.by_name.values() if task.cron}
    found, unscheduled = set[str](), set[str]()
    for package in walk_packages(undercroft.__path__, "undercroft."):
        if package.name.rpartition(".")[2] not in FILES or DISABLED.intersection(package.name.split(".")[2:3]):
            continue
        for name, each in vars(import_module(package.name)).items():
            function = getattr(each, "function", each)
            if name.startswith("_") or not inspect.iscoroutinefunction(function):
                continue
            if list(inspect.signature(function).parameters) != ["job"]:
                continue
            found.add(f"{package.name}.{name}")
            if function not in scheduled:
                unscheduled.add(f"{package.name}.{name}")
    assert unscheduled == set(), "Declare them with @cron."
    assert f"{maintenance.__name__}.clean_up" in found
    assert len(found) >= 6
