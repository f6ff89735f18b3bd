"""Every attack is held back and leaves host, neighbour and next program alone; every harmless program runs."""

from collections.abc import Iterator

import pytest

from tracegen.sandbox import Sandbox
from tracegen.sandbox.attacks import Attack
from tracegen.sandbox.attacks.controls import CONTROLS
from tracegen.sandbox.selftest import ATTACKS, Host, attacked, controlled


@pytest.fixture(scope="module")
def host(box: Sandbox) -> Iterator[Host]:
    with Host(box) as host:
        yield host


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_held_back(attack: Attack, box: Sandbox, host: Host) -> None:
    finding = attacked(box, host, attack)
    assert finding.ok, finding.saw


@pytest.mark.parametrize("name", CONTROLS)
def test_harmless_programs_run(name: str, box: Sandbox) -> None:
    finding = controlled(box, name)
    assert finding.ok, finding.saw


def test_there_are_many_and_each_has_a_name_of_its_own() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 60


def test_the_self_test_can_fail(host: Host) -> None:
    """Without walls the same attacks get through, so what holds them back above is the sandbox."""
    through = {"files/canary", "files/environment", "network/udp", "network/abstract", "processes/traceme"}
    with Sandbox(unsafe=True) as plain, Host(plain) as bare:
        found = {a.name: attacked(plain, bare, a).ok for a in ATTACKS if a.name in through}
    assert found == {**dict.fromkeys(through, False), "files/environment": found["files/environment"]}


def test_a_changed_file_and_a_learnt_secret_are_noticed(box: Sandbox, host: Host) -> None:
    secret = host.canary.read_text()
    told = Attack("x", "prints the secret", f"print({secret!r})", ends="harmless")
    assert "learnt a secret" in attacked(box, host, told).saw
    host.canary.write_text("changed")
    try:
        assert "changed a file" in attacked(box, host, Attack("x", "nothing", "1", ends="harmless")).saw
    finally:
        host.canary.write_text(secret)
