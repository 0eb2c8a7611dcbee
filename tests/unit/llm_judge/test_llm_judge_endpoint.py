"""One request over real HTTP: what goes wrong is tried again, told by fault, and never hangs or fills the memory."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

import pytest
from judging_server import KEY, completion, serving

from harness.core.errors import InfrastructureError, UserError
from harness.llm.endpoint import Endpoint
from harness.llm.request import Message, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUEST = Request("judge", (Message("system", "Judge."), Message("user", "Which?")), most_tokens=50)


@contextlib.contextmanager
def endpoint(url: str, **more: float) -> Iterator[Endpoint]:
    one = Endpoint(url, **{"seconds": 5.0, "retries": 2, **more})  # type: ignore[arg-type]
    try:
        yield one
    finally:
        one.close()


def test_a_request_arrives_as_it_was_asked_and_the_reply_comes_back() -> None:
    with serving(lambda _: "fine\n[[A]]") as server, endpoint(server.url) as judge:
        reply = judge.ask(REQUEST)
        assert (reply.text, reply.finish, reply.model) == ("fine\n[[A]]", "stop", "judge-1")
        assert (reply.prompt_tokens, reply.completion_tokens, reply.counted, reply.tries) == (100, 10, True, 1)
        assert server.heard == [
            {
                "model": "judge",
                "messages": [{"role": "system", "content": "Judge."}, {"role": "user", "content": "Which?"}],
                "max_tokens": 50,
                "temperature": 0.0,
            }
        ]
        assert server.headers[0]["authorization"] == f"Bearer {KEY}"


def test_models_that_reason_get_the_names_they_know() -> None:
    with serving(lambda _: "x") as server, endpoint(server.url) as judge:
        judge.ask(Request("o", REQUEST.messages, None, 7, "max_completion_tokens"))
        assert server.heard[0].keys() == {"model", "messages", "max_completion_tokens"}


@pytest.mark.parametrize("fault", ["busy", "broken", "cut", "page", "empty"])
def test_what_may_pass_is_tried_again(fault: str) -> None:
    with serving(lambda _: "[[A]]") as server, endpoint(server.url) as judge:
        server.faults.append(fault)
        reply = judge.ask(REQUEST)
        assert (reply.text, reply.tries, len(server.heard)) == ("[[A]]", 2, 2)


@pytest.mark.parametrize(
    ("fault", "told"), [("busy", "429"), ("broken", "503"), ("page", "no chat completion"), ("empty", "choices")]
)
def test_what_does_not_pass_is_a_fault_of_ours(fault: str, told: str) -> None:
    with serving() as server, endpoint(server.url) as judge:
        server.faults.extend([fault] * 20)
        with pytest.raises(InfrastructureError, match=told) as caught:
            judge.ask(REQUEST)
        assert caught.value.remedy
        assert len(server.heard) == 3


@pytest.mark.parametrize(
    ("fault", "told"), [("key", "the key is refused"), ("refused", "context length"), ("unknown", "no such model")]
)
def test_what_the_user_has_to_mend_is_asked_once(fault: str, told: str) -> None:
    with serving() as server, endpoint(server.url) as judge:
        server.faults.append(fault)
        with pytest.raises(UserError, match=told):
            judge.ask(REQUEST)
        assert len(server.heard) == 1


def test_an_endpoint_that_says_nothing_or_drips_is_left_in_time() -> None:
    for fault in ("silent", "drip"):
        with serving() as server, endpoint(server.url, seconds=0.3, retries=0) as judge:
            server.faults.append(fault)
            with pytest.raises(InfrastructureError, match=r"within 0\.3 s"):
                judge.ask(REQUEST)


def test_a_reply_without_end_is_cut_off_and_not_asked_for_again() -> None:
    with serving() as server, endpoint(server.url) as judge:
        server.faults.append("endless")
        with pytest.raises(InfrastructureError, match="more than 4194304 bytes"):
            judge.ask(REQUEST)
        assert len(server.heard) == 1


def test_what_was_packed_is_not_unpacked() -> None:
    with serving() as server, endpoint(server.url) as judge:
        server.faults.append("packed")
        with pytest.raises(InfrastructureError, match="packs"):
            judge.ask(REQUEST)


def test_the_key_does_not_follow_to_another_address() -> None:
    with serving() as server, endpoint(server.url) as judge:
        server.faults.extend(["moved"] * 3)
        with pytest.raises(InfrastructureError, match="307"):
            judge.ask(REQUEST)


def test_nobody_there_is_a_fault_of_ours() -> None:
    with serving() as server:
        url = server.url
    with endpoint(url, retries=0) as judge, pytest.raises(InfrastructureError, match="does not answer"):
        judge.ask(REQUEST)


def test_the_key_is_in_no_error_no_reply_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(lambda _: f"your key is {KEY}") as server, endpoint(server.url) as judge:
        assert judge.ask(REQUEST).text == "your key is [key]"
        server.faults.append("key")
        with pytest.raises(UserError) as caught:
            judge.ask(REQUEST)
        assert "bad key [key]" in caught.value.message
    assert "HTTP" in caplog.text  # somebody does log
    assert KEY not in caplog.text


def test_tokens_that_nobody_counted_are_estimated_and_marked() -> None:
    with serving(lambda _: completion("[[A]]", usage=None)) as server, endpoint(server.url) as judge:
        reply = judge.ask(REQUEST)
        assert not reply.counted
        assert reply.prompt_tokens >= 12
        assert reply.completion_tokens == 5


def test_a_reply_of_nothing_is_a_reply() -> None:
    with serving(lambda _: completion(None, "content_filter")) as server, endpoint(server.url) as judge:
        reply = judge.ask(REQUEST)
        assert (reply.text, reply.finish) == ("", "content_filter")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/v1",
        "http://me:secret@host/v1",
        "http://host/v1?key=1",
        "nonsense",
        "http:///v1",
        "http://host\n/v1",
        "http://host/v1\x1b[2J",
        "\x00http://host/v1",
        "http://host/v1\u202e",
        "http://host/\udcff",
        "http://ho st/v1",
        "http://[::1/v1",
        "http://host:99999/v1",
        "http://host:x/v1",
        "http://" + "h" * 70_000,
    ],
)
def test_an_address_that_makes_no_sense_or_holds_a_secret_is_refused(url: str) -> None:
    with pytest.raises(UserError, match="address") as caught:
        Endpoint(url)
    assert "secret" not in caught.value.message


def test_a_key_is_needed_where_the_address_is_not_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(UserError, match="OPENAI_API_KEY is not set"):
        Endpoint()
    with serving(lambda _: "x") as server, endpoint(server.url) as judge:
        assert judge.ask(REQUEST).text == "x"
