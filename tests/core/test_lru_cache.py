from undercroft.core.lru_cache import LruCache


def test_least_recently_used_entry_is_evicted() -> None:
    cache: LruCache[str, int] = LruCache(2)
    cache["a"], cache["b"] = 1, 2

    assert cache.find("a") == 1
    cache["c"] = 3

    assert dict(cache) == {"a": 1, "c": 3}


def test_setting_an_entry_again_makes_it_the_newest() -> None:
    cache: LruCache[str, int] = LruCache(2)
    cache["a"], cache["b"], cache["a"] = 1, 2, 3
    cache["c"] = 4

    assert cache.find("b") is None
    assert cache.find("a") == 3
