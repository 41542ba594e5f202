"""A bounded cache whose entries are set and removed by name, which `functools.lru_cache` cannot do."""

from collections import OrderedDict
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class LruCache(OrderedDict[K, V]):
    """At most `size` entries. Setting one makes it the newest, `find` too; the oldest is evicted."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        if len(self) > self._size:
            self.popitem(last=False)

    def find(self, key: K) -> V | None:
        """The value of a key, None if there is none."""
        found = self.get(key)
        if found is not None:
            self.move_to_end(key)
        return found
