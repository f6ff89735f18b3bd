"""Batches outlive who ordered them: a later launch picks them up, and nothing is paid for twice."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batching import ask, engine, leave_running, requests
from fake_batches import FakeBatches

pytest.importorskip("aiohttp")

from tracegen.engines import _batches, _journal
from tracegen.records import Request, UsageError


def test_batches_are_left_running_and_picked_up_again_in_any_order(
    server: FakeBatches, tmp_path: Path, said: list[str]
) -> None:
    leave_running(server, requests(12), tmp_path, batch_size=5)
    assert said[-1].endswith("batch_1, batch_2, batch_3; the same command picks them up.")
    assert {batch["status"] for batch in server.batches.values()} <= {"validating", "in_progress"}
    answers = ask(server, [*reversed(requests(12)), *requests(14)[12:]], tmp_path, batch_size=5)
    assert sorted(answers) == sorted(request.key for request in requests(14))
    assert set(server.asked.values()) == {1}
    assert ask(server, requests(14), tmp_path).keys() == answers.keys()
    assert set(server.asked.values()) == {1}, "a third launch pays for nothing either"


def test_answers_that_nobody_asks_for_yet_are_kept_until_somebody_does(server: FakeBatches, tmp_path: Path) -> None:
    leave_running(server, requests(10), tmp_path)
    seen: list[str] = []

    def stream() -> Iterator[Request | None]:
        yield requests(10)[7]
        while not seen:
            yield None
        yield from requests(7)

    for request, answer in engine(server, tmp_path)(stream()):
        assert answer.error is None
        seen.append(request.key)
    assert sorted(seen) == [f"k{number}" for number in (0, 1, 2, 3, 4, 5, 6, 7)]
    assert set(server.asked.values()) == {1}
    downloads = [entry for entry in server.log if entry.endswith("/content")]
    assert len(downloads) == 1


@pytest.mark.parametrize("keeps_metadata", [True, False])
def test_an_order_whose_answer_was_lost_is_found_and_not_made_twice(
    server: FakeBatches, tmp_path: Path, keeps_metadata: bool
) -> None:
    server.keeps_metadata = keeps_metadata
    server.faults = [("POST /batches", "lost")]
    assert len(ask(server, requests(5), tmp_path)) == 5
    assert (len(server.batches), set(server.asked.values())) == (1, {1})


class Killed(BaseException):
    """Ends the process at a place of the test's choice."""


@pytest.mark.parametrize("where", ["before the upload", "after the upload", "before the order", "after the order"])
def test_a_kill_around_the_order_pays_for_nothing_twice(
    server: FakeBatches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    step, method = where.split()[0], "upload" if "upload" in where else "create"
    real = getattr(_batches.Batches, method)

    def killed(self: Any, *args: Any) -> Any:
        if step == "after":
            real(self, *args)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(_batches.Batches, method, killed)
        with pytest.raises(Killed):
            ask(server, requests(6), tmp_path, batch_size=3)
    ordered = len(server.batches)
    assert ordered == (where == "after the order")
    others = FakeBatches.order  # batches of other people stand before ours in the list
    for _ in range(5):
        others(
            server, {"endpoint": "/v1/chat/completions", "completion_window": "24h", "input_file_id": server.keep(b"")}
        )
    answers = ask(server, requests(6), tmp_path, batch_size=3)
    assert len(answers) == 6
    assert set(server.asked.values()) == {1}


def test_the_journal_forgets_what_is_long_handed_on_and_keeps_what_nobody_asked_for(
    server: FakeBatches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_journal, "SETTLED", 0.0)
    leave_running(server, requests(12), tmp_path, batch_size=4)
    seen: list[str] = []

    def stream() -> Iterator[Request | None]:
        yield from requests(8)
        yield requests(9)[8]
        while len(seen) < 9:
            yield None
        yield requests(13)[12]

    for request, _ in engine(server, tmp_path, batch_size=4)(stream()):
        seen.append(request.key)
    held = [json.loads(path.read_text())["keys"] for path in (tmp_path / "batches").iterdir()]
    assert ["k8", "k9", "k10", "k11"] in [list(keys) for keys in held], "three of its answers were never asked for"
    assert not any("k0" in keys or "k7" in keys for keys in held)
    assert len(ask(server, requests(12)[8:], tmp_path)) == 4
    assert set(server.asked.values()) == {1}


def test_a_damaged_journal_is_said_and_nothing_is_sent(server: FakeBatches, tmp_path: Path) -> None:
    leave_running(server, requests(1), tmp_path)
    (file,) = (tmp_path / "batches").iterdir()
    file.write_text("{")
    sent = len(server.log)
    with pytest.raises(UsageError, match=r"is damaged.*Look for the tag"):
        ask(server, requests(1), tmp_path)
    assert len(server.log) == sent


def test_without_a_folder_nothing_is_written_and_nothing_breaks(server: FakeBatches, said: list[str]) -> None:
    leave_running(server, requests(3), None)
    assert said[-1].endswith("batch_1; nobody picks them up.")
    assert len(ask(server, requests(3))) == 3


def test_cancel_on_exit_cancels(server: FakeBatches, tmp_path: Path, said: list[str]) -> None:
    leave_running(server, requests(3), tmp_path, cancel_on_exit=True)
    assert [batch["status"] for batch in server.batches.values()] == ["cancelled"]
    assert "cancelled at http" in said[-1]
    server.looks = 1
    assert len(ask(server, requests(3), tmp_path)) == 3


@pytest.mark.parametrize("fault", [409, 400, 500, "reset"])
def test_a_batch_that_cannot_be_cancelled_holds_nobody_up(
    server: FakeBatches, tmp_path: Path, said: list[str], fault: int | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_batches, "PATIENCE", 60.0)
    server.faults = [("POST /batches/", fault)] * 1000
    start = time.monotonic()
    leave_running(server, requests(3), tmp_path, cancel_on_exit=True)
    assert time.monotonic() - start < 10
    assert said[-1].endswith("batch_1; the same command picks them up.")


def test_an_address_with_a_slash_at_its_end_is_the_same_server(server: FakeBatches, tmp_path: Path) -> None:
    leave_running(server, requests(3), tmp_path)
    assert len(ask(server, requests(3), tmp_path, base_url=server.base_url + "/")) == 3
    assert set(server.asked.values()) == {1}


def test_a_failure_of_an_earlier_launch_is_asked_again_and_not_remembered_for_ever(tmp_path: Path) -> None:
    with FakeBatches(lambda body: {"status": 400, "message": "no"}) as server:
        assert ask(server, requests(2), tmp_path)["k0"].error == "400 no"
        server.reply = lambda body: {"text": "yes"}
        assert ask(server, requests(2), tmp_path, max_retries=0)["k0"].text == "yes"
        assert set(server.asked.values()) == {2}


def test_a_larger_max_tokens_keeps_what_is_finished_and_asks_what_was_cut_off(tmp_path: Path) -> None:
    def reply(body: dict[str, Any]) -> dict[str, Any]:
        long = "What is 0 " in body["messages"][0]["content"] and body["max_tokens"] < 100
        cut = {"text": "half", "finish_reason": "length", "completion_tokens": 50}
        return cut if long else {"text": "whole", "completion_tokens": 7}

    with FakeBatches(reply) as server:
        first = ask(server, requests(2), tmp_path)
        assert (first["k0"].finish_reason, first["k1"].finish_reason) == ("length", "stop")
        # The ledger would ask only for k0; whoever has lost its ledger asks for both.
        second = ask(server, requests(2, max_tokens=200), tmp_path)
        assert (second["k0"].text, second["k1"].text) == ("whole", "whole")
        assert second["k0"].completion_tokens == 7, "the first launch was given the other 50"
        assert server.asked == {"k0": 2, "k1": 1}


def test_what_nobody_was_given_is_paid_for_all_the_same(server: FakeBatches, tmp_path: Path) -> None:
    def reply(body: dict[str, Any]) -> dict[str, Any]:
        if body["max_tokens"] < 100:
            return {"text": "half", "finish_reason": "length", "completion_tokens": 50}
        return {"text": "whole", "completion_tokens": 70}

    server.reply = reply
    leave_running(server, requests(2), tmp_path)
    answers = ask(server, requests(2, max_tokens=200), tmp_path)
    assert {answer.text for answer in answers.values()} == {"whole"}
    assert {answer.completion_tokens for answer in answers.values()} == {120}


def test_files_that_are_gone_are_asked_again(server: FakeBatches, tmp_path: Path, said: list[str]) -> None:
    leave_running(server, requests(2), tmp_path)
    for batch in server.batches.values():
        server.step(batch)
        del server.files[batch["output_file_id"]]
    assert len(ask(server, requests(2), tmp_path)) == 2
    assert any("is gone from the server" in line for line in said)
    assert set(server.asked.values()) == {2}
