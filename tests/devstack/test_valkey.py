"""The embedded Valkey."""

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from undercroft.core.errors import ConfigurationError
from undercroft.devstack import data_dirs
from undercroft.devstack.machine import free_port
from undercroft.devstack.valkey import ValkeyServer


@pytest.fixture
def state() -> Iterator[Path]:
    """A folder that the server can access, with special characters in its name."""
    folder = Path(tempfile.mkdtemp(prefix='it\'s "a" \\ $folder-')).resolve()
    folder.chmod(0o755)
    yield folder
    data_dirs.delete_data_dir(folder, "valkey")
    shutil.rmtree(folder)


@pytest.fixture
def valkey(state: Path) -> Iterator[ValkeyServer]:
    server = ValkeyServer(state, free_port(), secrets.token_hex(8))
    yield server
    server.stop()


def test_valkey_stores_data_in_a_folder_with_special_characters(valkey: ValkeyServer):
    valkey.start()
    valkey.wait_until_ready()

    assert (valkey.data / "appendonlydir").is_dir()


def test_corrupt_data_are_reported_with_the_fix(valkey: ValkeyServer):
    (valkey.data / "appendonlydir").mkdir(mode=0o755)
    (valkey.data / "appendonlydir" / "appendonly.aof.manifest").write_text("damaged\n")
    valkey.start()

    with pytest.raises(ConfigurationError, match="delete"):
        valkey.wait_until_ready()
