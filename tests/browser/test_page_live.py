"""A run that goes on while it is looked at: figures move, traces come in on demand, and it comes to rest."""

import json
import subprocess
import sys

import looked_at
import pytest
from looked_at import Server

ENGINE = '''
import json, time
from tracegen.records import Completion

def drip(requests, *, model, path, seconds):
    """Recorded answers, one after the other."""
    recorded = {}
    for line in open(path, encoding="utf-8"):
        row = json.loads(line)
        recorded[row["problem_id"], row["sample"]] = row
    for request in requests:
        if request is not None:
            time.sleep(seconds)
            row = recorded[request.problem_id, request.sample]
            yield request, Completion(row["text"], None, row["finish_reason"], 20, row["completion_tokens"])
'''


@pytest.fixture
def going_on(tmp_path):
    """A run that takes its time, and the process that runs it."""
    (tmp_path / "drip.py").write_text(ENGINE)
    recipe = looked_at.recipe(tmp_path, f"{tmp_path / 'drip.py'}:drip", seconds=0.4)
    command = [sys.executable, "-m", "tracegen.cli", "generate", str(recipe), "--run-dir", str(tmp_path / "run")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield tmp_path / "run", process
    process.kill()
    process.wait()


def answered(run):
    try:
        return json.loads((run / "status.json").read_text())["stages"]["generate"]["samples"]["answered"]
    except (OSError, KeyError):
        return 0


def test_a_run_is_watched_until_it_rests(visit, going_on):
    run, process = going_on
    looked_at.wait_for(lambda: answered(run))
    server = Server(run)
    try:
        page = visit(server.url, expected="404")
        progress = page.locator("#live [role=progressbar]")
        progress.wait_for()
        first = int(progress.get_attribute("aria-valuenow"))
        assert page.locator("#live .latest .row").count() > 0
        assert "cost by now" in page.locator("#live").inner_text()
        shown = page.locator("#status").inner_text()
        page.locator("#fresh button").click()
        looked_at.until(page, "shown => document.querySelector('#status').innerText !== shown", shown)
        looked_at.wait_for(lambda: int(progress.get_attribute("aria-valuenow")) > first)
        assert f"of {looked_at.TRACES}" in page.locator("#state").inner_text()
        page.locator("#live .latest .row").first.click()
        page.locator("article.trace").wait_for()
        page.click("#overview")
        process.terminate()
        looked_at.until(page, "document.querySelector('article.run') && !document.querySelector('.live')")
        assert page.locator("#state").inner_text() == ""
    finally:
        server.close()
