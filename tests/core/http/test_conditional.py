import pytest
from starlette.requests import Request

from undercroft.core.http.conditional import InvalidIfMatch, etag, if_match, is_unchanged, weak_etag


def request(name: str, *values: str) -> Request:
    return Request({"type": "http", "headers": [(name.encode(), value.encode("latin-1")) for value in values]})


@pytest.mark.parametrize(
    ("given", "versions"),
    [
        ((), None),
        (("*",), None),
        ((" * ",), None),
        (('"3"',), (3,)),
        (('"1", "3"',), (1, 3)),
        (('"1"', '"3"'), (1, 3)),
        ((', "3" ,, "4",',), (3, 4)),
        (('W/"3"',), ()),
        (('W/"3", "4"',), (4,)),
        (('"other,tag"', '"5"'), (5,)),
        (('""',), ()),
        (('"-3"',), ()),
        (('"\xb2"',), ()),
    ],
)
async def test_if_match_names_the_versions_that_may_be_changed(
    given: tuple[str, ...], versions: tuple[int, ...] | None
) -> None:
    assert await if_match(request("if-match", *given)) == versions


@pytest.mark.parametrize(
    "given", ["3", '"3', '"3 "', '"3";', '"a" "b"', ",", "", "W/3", '"\n"', 'w/"3"', "*, *", '"3"' + ', "3"' * 50_000]
)
async def test_what_is_no_list_of_tags_is_an_error_of_the_client(given: str) -> None:
    with pytest.raises(InvalidIfMatch):
        await if_match(request("if-match", given))


async def test_no_header_takes_long() -> None:
    with pytest.raises(InvalidIfMatch):
        await if_match(request("if-match", '"3"' + " ," * 490 + "x"))


def test_a_version_is_a_strong_tag() -> None:
    assert etag(3) == '"3"'


@pytest.mark.parametrize("given", ['"3"', 'W/"3"', '"1", W/"3"', "*"])
def test_if_none_match_compares_weakly(given: str) -> None:
    assert is_unchanged(request("if-none-match", given), etag(3))
    assert is_unchanged(request("if-none-match", given), 'W/"3"')


@pytest.mark.parametrize("given", ['"2"', '"33"', "3", "", "nonsense"])
def test_an_answer_that_the_client_does_not_have_is_sent(given: str) -> None:
    assert not is_unchanged(request("if-none-match", given), etag(3))
    assert not is_unchanged(request("accept", "*/*"), etag(3))


def test_a_tag_of_bytes_is_weak_and_the_same_for_the_same() -> None:
    assert weak_etag(b"a") == weak_etag(b"a") != weak_etag(b"b")
    assert weak_etag(b"a").startswith('W/"')
