"""An import that does not end is ended, with the line that was running."""

import sys
from pathlib import Path

import pytest

from undercroft.core import import_limit
from undercroft.core.errors import CodeError
from undercroft.core.modules import import_extension

ENDLESS = "x = 0\nwhile True:\n    x += 1\n"
STUBBORN = "while True:\n    try:\n        x = 1\n    except Exception:\n        pass\n"
WAITING = "import threading\nthreading.Event().wait()\n"


@pytest.mark.parametrize("code", [ENDLESS, STUBBORN, WAITING], ids=["endless", "stubborn", "waiting"])
def test_import_that_does_not_end_is_ended(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(import_limit, "LIMIT", 0.1)
    monkeypatch.setattr(import_limit, "CHECK_INTERVAL", 0.05)
    (tmp_path / "slow_extension.py").write_text(code)
    with pytest.raises(CodeError, match="This line does not end") as raised:
        import_extension("slow_extension")
    file, line = raised.value.at
    assert Path(file) == tmp_path / "slow_extension.py"
    assert 1 <= line <= len(code.splitlines())
    assert "slow_extension" not in sys.modules


LARGE_LIBRARY = """\
import sys, time
for number in range(30):
    sys.modules[f"patient_extension.part_{number}"] = sys
    started = time.thread_time()
    while time.thread_time() - started < 0.02:
        pass
for number in range(30):
    del sys.modules[f"patient_extension.part_{number}"]
"""
BUSY_MACHINE = "import threading\nthreading.Event().wait(0.3)\n"


@pytest.mark.parametrize("code", [LARGE_LIBRARY, BUSY_MACHINE], ids=["library", "machine"])
def test_slow_import_is_not_ended_while_it_makes_progress(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(import_limit, "LIMIT", 0.2)
    monkeypatch.setattr(import_limit, "CHECK_INTERVAL", 0.01)
    monkeypatch.setattr(import_limit, "IDLE_SHARE", 0)
    (tmp_path / "patient_extension.py").write_text(code + "x = 1\n")
    assert import_extension("patient_extension").x == 1
    del sys.modules["patient_extension"]
