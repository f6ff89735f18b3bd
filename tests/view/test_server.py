"""`tracegen view` as a person starts it: an address, Ctrl-C, and one sentence for what cannot be."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from seen_runs import row

from tracegen import rundir
from tracegen.records import TracegenError
from tracegen.view import index, pages, query, state
from tracegen.view import shelf as shelf_module
from tracegen.view.shelf import Shelf


class Viewed:
    """`tracegen view` as a process."""

    def __init__(self, run, *options):
        command = [sys.executable, "-m", "tracegen.cli", "view", str(run), "--port", "0", *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.said = self.process.stderr.readline()
        self.address = re.search(r"http://\S+", self.said)[0]

    def ask(self, path, **headers):
        with urlopen(Request(self.address.partition("?")[0] + path, headers=headers)) as answer:
            return json.loads(answer.read())

    def until(self, condition, path):
        patience = time.monotonic() + 60
        while not condition(found := self.ask(path)):
            assert time.monotonic() < patience, found
            time.sleep(0.1)
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()


def children(process):
    return [int(each) for each in open(f"/proc/{process}/task/{process}/children").read().split()]


def test_it_serves_what_is_there_then_what_is_new_and_ends_at_once(made):
    with Viewed(made.folder) as viewed:
        before = viewed.until(lambda found: found["index"]["whole"], "api/run")["totals"]["traces"]
        assert len(viewed.ask("api/traces")["rows"]) == min(50, before)
        with rundir.owned(made.folder):
            live = urlopen(viewed.address + "api/live")
            assert live.readline().startswith(b"data: {")
            first = next(iter(made.problems.values()))
            made.answer([row(first, 99, "<think>\nso\n</think>\n\nnew")])
            viewed.until(lambda found: found["totals"]["traces"] == before + 1, "api/run")
            assert viewed.ask("api/traces?q=new&limit=1")["rows"][0]["sample"] == 99
            started = time.monotonic()
            viewed.process.send_signal(signal.SIGINT)
            assert viewed.process.wait(timeout=10) == 130
            assert time.monotonic() - started < 8  # with a stream open, on a busy machine
    assert "Traceback" not in viewed.said


def test_elsewhere_a_token_is_demanded(made):
    with Viewed(made.folder, "--host", "0.0.0.0") as viewed:
        token = viewed.address.partition("?token=")[2]
        assert len(token) > 30
        port = re.search(r":(\d+)/", viewed.address)[1]
        viewed.address = f"http://127.0.0.1:{port}/"
        with pytest.raises(HTTPError, match="401"):
            viewed.ask("api/run")
        assert viewed.ask("api/run", Authorization=f"Bearer {token}")["name"] == "seen"


def test_whoever_is_killed_takes_the_index_process_along(made):
    with Viewed(made.folder) as viewed, rundir.owned(made.folder):
        viewed.until(lambda found: found["index"]["whole"], "api/run")
        [index] = children(viewed.process.pid)
        viewed.process.kill()
        viewed.process.wait()
        patience = time.monotonic() + 20
        while alive(index):
            assert time.monotonic() < patience
            time.sleep(0.05)


def alive(process):
    try:
        return open(f"/proc/{process}/stat").read().split()[2] != "Z"
    except OSError:
        return False


def test_an_index_process_that_dies_is_told_and_not_started_for_ever(made, monkeypatch):
    monkeypatch.setattr(shelf_module, "LOOK", 0.0)
    monkeypatch.setattr(shelf_module.sys, "executable", "/bin/false")
    with closing(Shelf(made.folder)) as shelf:
        for _ in range(3):
            with pytest.raises(TracegenError, match="the process that makes the index of this run ended with 1"):
                shelf.state()
        assert shelf._process is None


def test_a_second_page_waits_for_the_index_of_the_first(made):
    with ExitStack() as first:
        first.enter_context(index.alone(state.place(made.folder)))
        with closing(Shelf(made.folder)) as second:
            with pytest.raises(subprocess.TimeoutExpired):
                second._process.wait(timeout=1.5)
            first.close()
            assert second.state().number


def test_a_folder_that_cannot_be_written_is_shown_all_the_same(made, monkeypatch):
    monkeypatch.setattr(state.os, "access", lambda *_: False)
    with closing(Shelf(made.folder)) as shelf:
        assert made.folder not in shelf.folder.parents
        assert pages.page(shelf, query.read({}))["rows"]
    assert not shelf.folder.exists()
    assert not list((made.folder / ".view" / state.FORM).iterdir())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["{tmp}"], "is not a run directory: it holds neither recipe.yaml nor status.json nor traces/."),
        (["{tmp}/nothing"], "is not a run directory"),
        (["{run}", "--port", "{port}"], "cannot be served (Address already in use); say another --port, or --port 0"),
        (["{run}", "--port", "99999"], "65535"),
        (["{run}", "--host", "no.such.host.invalid"], "cannot be served"),
    ],
)
def test_what_cannot_be_served_is_one_sentence(made, tmp_path, call, arguments, sentence):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        given = {"tmp": tmp_path, "run": made.folder, "port": taken.getsockname()[1]}
        status, out, err = call("view", *(argument.format(**given) for argument in arguments))
    assert (status, out) == (2, "")
    assert sentence in " ".join(err.split())
    assert "Traceback" not in err


def test_without_the_extra_the_sentence_names_it(made, call, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    status, _, err = call("view", made.folder)
    assert status == 2
    assert "pip install 'tracegen[view]'" in err
