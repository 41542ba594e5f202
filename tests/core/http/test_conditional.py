import pytest
from starlette.requests import Request

from undercroft.core.errors import PreconditionFailed
from undercroft.core.http.conditional import MalformedTag, etag, is_unchanged, require_match, weak_etag


def request(name: str, *values: str) -> Request:
    return Request({"type": "http", "headers": [(name.encode(), value.encode("latin-1")) for value in values]})


@pytest.mark.parametrize("given", [('"3"',), ('"1", "3"',), ('"1"', '"3"'), ("*",), ('W/"3", "3"',), ()])
def test_if_match_lets_the_current_version_pass(given: tuple[str, ...]) -> None:
    require_match(request("if-match", *given), etag(3))


@pytest.mark.parametrize("given", ['"2"', 'W/"3"', '"33"', '"3-"', '""'])
def test_if_match_refuses_every_other(given: str) -> None:
    with pytest.raises(PreconditionFailed):
        require_match(request("if-match", given), etag(3))


def test_a_weak_tag_never_matches_strongly() -> None:
    with pytest.raises(PreconditionFailed):
        require_match(request("if-match", 'W/"3"'), 'W/"3"')


def test_a_star_wants_something_to_be_there() -> None:
    with pytest.raises(PreconditionFailed):
        require_match(request("if-match", "*"), None)


@pytest.mark.parametrize(
    "given", ["3", '"3', '"3 "', '"3";', '"a" "b"', ",", "", "W/3", '"\n"', 'w/"3"', '"3"' + "," * 50_000]
)
@pytest.mark.parametrize("name", ["if-match", "if-none-match"])
def test_what_is_no_list_of_tags_is_an_error_of_the_client(name: str, given: str) -> None:
    with pytest.raises(MalformedTag):
        if name == "if-match":
            require_match(request(name, given), etag(3))
        else:
            is_unchanged(request(name, given), etag(3))


@pytest.mark.parametrize("given", ['"3"', 'W/"3"', '"1", W/"3"', "*"])
def test_if_none_match_compares_weakly(given: str) -> None:
    assert is_unchanged(request("if-none-match", given), etag(3))


def test_a_changed_or_unasked_answer_is_sent() -> None:
    assert not is_unchanged(request("if-none-match", '"2"'), etag(3))
    assert not is_unchanged(request("accept", "*/*"), etag(3))


def test_a_tag_of_bytes_is_weak_and_the_same_for_the_same() -> None:
    assert weak_etag(b"a") == weak_etag(b"a") != weak_etag(b"b")
    assert weak_etag(b"a").startswith('W/"')
