"""Who looks on from outside: the status file, the log for machines, the metrics; and what is silent."""

import json
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack

import pytest
import told
from prometheus_client.parser import text_string_to_metric_families

from tracegen import __version__, progress
from tracegen.live import options, outside, watched
from tracegen.live.metrics import exposition, serve
from tracegen.live.outside import Options
from tracegen.progress import conclude, say
from tracegen.records import BudgetReached, UsageError

SECRET = "hf_" + "a" * 30


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    """Options are the process's own; each test begins with none."""
    monkeypatch.setattr(progress.log, "alone", False)
    vars(options).update(vars(Options()))
    yield
    vars(options).update(vars(Options()))
    assert progress.going_on == []
    assert progress.listeners == []


def events(text):
    return [json.loads(line) for line in text.splitlines()]


def status(run):
    return json.loads((run / "status.json").read_text())


def test_a_run_leaves_its_status(tmp_path):
    with watched(tmp_path):
        begun = status(tmp_path)
        with told.watch():
            pass
    assert (begun["state"], begun["stage"], begun["stages"]) == ("running", None, {})
    ended = status(tmp_path)
    assert (ended["state"], ended["exit_status"], ended["error"]) == ("done", 0, None)
    assert ended["stages"]["generate"]["verdicts"] == {"right": 3, "wrong": 1, "unverifiable": 1}
    assert ended["written"] >= ended["started"]


def test_the_status_follows_what_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(outside, "STATUS_EVERY", 0.02)
    with watched(tmp_path), told.watch() as watch:
        wait_for(lambda: status(tmp_path)["stage"] == "generate")
        watch.solved(7)
        wait_for(lambda: status(tmp_path)["stages"]["generate"]["problems"]["solved"] == 7)
        with progress.Bar("train", 10, "steps"):
            wait_for(lambda: status(tmp_path)["stage"] == "train")
        with progress.during("curate"):
            wait_for(lambda: status(tmp_path)["stage"] == "curate")


@pytest.mark.parametrize(
    ("raised", "state", "exit_status", "error"),
    [
        (BudgetReached(f"stopped by the budget with {SECRET}"), "stopped", 3, "stopped by the budget with (withheld)"),
        (UsageError("no such thing."), "failed", 2, "no such thing."),
        (KeyboardInterrupt(), "stopped", 130, "interrupted"),
        (ZeroDivisionError("oh"), "failed", 1, "ZeroDivisionError: oh"),
    ],
)
def test_the_status_says_how_it_ended(tmp_path, raised, state, exit_status, error):
    with pytest.raises(type(raised)), watched(tmp_path):
        raise raised
    ended = status(tmp_path)
    assert (ended["state"], ended["exit_status"], ended["error"]) == (state, exit_status, error)


def test_a_status_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "status.json").mkdir()
    with watched(tmp_path), told.watch():
        pass


def test_a_log_for_machines(tmp_path, capsys):
    options.json_log = str(tmp_path / "log")
    (tmp_path / "log").write_text('{"event": "of an earlier launch"}\n')
    with watched(tmp_path):
        say(f"something [b]happened[/b] to {SECRET}")
        with told.watch():
            pass
    found = events((tmp_path / "log").read_text())
    assert [event["event"] for event in found] == [
        "of an earlier launch",
        "start",
        "said",
        "stage_start",
        "stage_end",
        "said",
        "end",
    ]
    assert found[1]["version"] == __version__
    assert found[2]["text"] == "something [b]happened[/b] to (withheld)"
    assert found[4]["stage"] == "generate"
    assert found[4]["samples"]["answered"] == 8
    assert found[6]["state"] == "done"
    assert all(abs(event["time"] - time.time()) < 60 for event in found[1:])
    assert "something [b]happened[/b] to (withheld)" in capsys.readouterr().err, "people see it as well"


def test_a_log_tells_of_progress(tmp_path, monkeypatch):
    monkeypatch.setattr(outside, "LOG_EVERY", 0.02)
    options.json_log = str(tmp_path / "log")
    with watched(tmp_path), told.watch():
        wait_for(lambda: '"progress"' in (tmp_path / "log").read_text())
    (first, *_) = [event for event in events((tmp_path / "log").read_text()) if event["event"] == "progress"]
    assert (first["stage"], first["samples"]["asked"]) == ("generate", 12)


def test_a_log_on_stderr_is_alone_there(tmp_path, capsys):
    options.json_log, progress.log.alone = "-", True
    with pytest.raises(UsageError), watched(tmp_path), told.watch():
        raise UsageError("a mistake.")
    progress.complain("tracegen: a mistake.")
    captured = capsys.readouterr()
    assert captured.out == ""
    found = events(captured.err)
    assert [event["event"] for event in found][-3:] == ["said", "end", "error"]
    assert found[-1]["text"] == "tracegen: a mistake."


def test_a_log_that_cannot_be_written_is_refused(tmp_path):
    options.json_log = str(tmp_path / "absent" / "log")
    with pytest.raises(UsageError, match=r"cannot write the log .* No such file"), watched(tmp_path):
        pytest.fail("it began")


def test_quiet_is_silent_but_for_the_last_sentence(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
    options.quiet = True
    with watched(tmp_path):
        say("a")
        with told.watch():
            pass
        with progress.Bar("train", 3, "steps") as bar:
            bar.advance()
        say("b")
        conclude("c")
        assert capsys.readouterr().err == ""
    assert capsys.readouterr() == ("", "c\n")
    say("loud again")
    assert capsys.readouterr().err == "loud again\n"


def test_quiet_still_shows_errors(capsys, monkeypatch):
    monkeypatch.setattr(progress.console, "quiet", True)
    progress.complain(f"tracegen: {SECRET} is wrong.")
    assert capsys.readouterr().err == "tracegen: (withheld) is wrong.\n"


def get(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def test_metrics_are_scraped_over_http(tmp_path, capsys):
    options.metrics = "0"
    with watched(tmp_path), told.watch() as watch:
        url = capsys.readouterr().err.split()[-1]
        assert status(tmp_path)["metrics"] == url
        kind, page = get(url)
        high = watch.figures()["cost"]["projected"]["high"]
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(url + "/else")
    assert kind == "text/plain; version=0.0.4; charset=utf-8"
    found = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }
    smol = ("stage", "generate"), ("teacher", "smol")
    assert found["tracegen_tokens_total", ("kind", "completion"), *smol] == 300
    assert found["tracegen_samples_answered_total", *smol] == 8
    assert found["tracegen_verdicts_total", ("outcome", "right"), *smol] == 3
    assert found["tracegen_errors_total", ("kind", "the server answered 500"), *smol] == 2
    assert found["tracegen_slots", *smol] == 8
    assert found["tracegen_retries_total", *smol] == 4
    assert found["tracegen_cost_projected_usd", ("bound", "high"), ("stage", "generate")] == high
    assert found["tracegen_problems", ("stage", "generate"), ("state", "open")] == 17
    assert found["tracegen_up", ("stage", "generate")] == 1
    assert ("tracegen_slots", ("stage", "generate"), ("teacher", "r1")) not in found, "unknown is absent, not 0"
    with pytest.raises(urllib.error.URLError):
        get(url)


def test_label_values_are_escaped():
    document = {"state": "running", "stage": 'a"b\\c\nd', "stages": {}}
    (family,) = text_string_to_metric_families(exposition(document))
    assert family.samples[0].labels == {"stage": 'a"b\\c\nd'}


@pytest.mark.parametrize("address", ["http", "70000", "127.0.0.1", "no.such.host.invalid:9100"])
def test_an_address_that_cannot_be_served(address):
    with pytest.raises(UsageError, match="say PORT or HOST:PORT"), ExitStack() as stack:
        serve(address, str, stack)


def test_a_port_that_is_taken():
    with ExitStack() as stack:
        url = serve("0", lambda: "", stack)
        with pytest.raises(UsageError, match="in use"):
            serve(url.split("/")[2], str, stack)


def wait_for(true):
    for _ in range(500):
        if true():
            return
        time.sleep(0.01)
    pytest.fail(f"did not come; threads: {threading.enumerate()}")
