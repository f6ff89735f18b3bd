"""Attacks on the sandbox and harmless programs, run in it one after the other: what `tracegen sandbox --selftest` says.

After each attack the host is looked at: its file, its secret, the processes that are left, a neighbour that has been
running beside all of them, and whether the next harmless program still passes in folders that are empty.
"""

import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tracegen.sandbox import Ended, GuestEnded, Limits, Sandbox
from tracegen.sandbox.attacks import SHORT, Attack
from tracegen.sandbox.attacks.channel import ATTACKS as CHANNEL
from tracegen.sandbox.attacks.controls import CONTROLS
from tracegen.sandbox.attacks.files import ATTACKS as FILES
from tracegen.sandbox.attacks.kernel import ATTACKS as KERNEL
from tracegen.sandbox.attacks.network import ATTACKS as NETWORK
from tracegen.sandbox.attacks.processes import ATTACKS as PROCESSES
from tracegen.sandbox.attacks.resources import ATTACKS as RESOURCES
from tracegen.sandbox.inside.tree import usage

ATTACKS = [*NETWORK, *FILES, *PROCESSES, *RESOURCES, *KERNEL, *CHANNEL]
ENOUGH = Limits(seconds=10.0, wall=60.0, memory=512)
SETTLING = 5.0
"""Seconds in which what an attack started must be gone; the kernel takes namespaces down in its own time."""
NEIGHBOUR = """
import os
secret = b" ".join([b"the neighbour", b"s", b"secret"])
open("/tmp/secret", "wb").write(secret)
while os.read(3, 5) == b"\\0\\0\\0\\1?":
    same = open("/tmp/secret", "rb").read() == secret and os.listdir("/tmp") == ["secret"]
    os.write(4, b"\\0\\0\\0\\1" + (b"!" if same else b"-"))
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """A line of the self-test."""

    name: str
    tries: str
    saw: str
    ok: bool


class Host:
    """What the attacks must leave alone, and a look at it; a context manager."""

    def __init__(self, box: Sandbox) -> None:
        self._box = box
        self._secret = secrets.token_hex(16)
        self._folder = tempfile.TemporaryDirectory()
        self.canary = Path(self._folder.name, "canary")
        self.canary.write_text(self._secret)
        self.canary.chmod(0o666)
        os.chmod(self._folder.name, 0o777)

    def __enter__(self) -> "Host":
        os.environ["TRACEGEN_CANARY"] = self._secret
        self._neighbour = self._box.start(NEIGHBOUR, limits=Limits(seconds=1000, wall=3600))
        self._answers()
        self._before = self._processes()
        return self

    def __exit__(self, *_: object) -> None:
        self._neighbour.end()
        os.environ.pop("TRACEGEN_CANARY", None)
        self._folder.cleanup()

    def harm(self, ended: Ended) -> list[str]:
        """What an attack has done to it."""
        found = []
        if self._secret.encode() in ended.stdout + ended.stderr:
            found.append("it learnt a secret of the host's")
        if self.canary.read_text() != self._secret or len(os.listdir(self._folder.name)) > 1:
            found.append("it changed a file of the host's")
        if not self._answers():
            found.append("it reached a program beside it")
        until = time.monotonic() + SETTLING
        while (left := self._processes() - self._before) and time.monotonic() < until:
            time.sleep(0.01)
        if left:
            found.append(f"{len(left)} processes of it are left")
        following = self._box.run(CONTROLS["empty_folders"], limits=ENOUGH)
        if following.code != 0:
            found.append(f"the next program fails ({following.status}) {following.stderr[-200:].decode()}")
        return found

    def _answers(self) -> bool:
        try:
            self._neighbour.send(b"?")
            return self._neighbour.receive() == b"!"
        except GuestEnded:
            return False

    def _processes(self) -> set[int]:
        return set(usage(os.getpid(), itself=False).pids)


def attacked(box: Sandbox, host: Host, attack: Attack) -> Finding:
    """Lets one attack run, and says what it came to."""
    ended = _run(box, attack, attack.source.replace("CANARY", repr(str(host.canary))))
    how = f"{ended.status} {ended.code}" if ended.code is not None else ended.status
    harm = host.harm(ended)
    if not _as_expected(attack, ended):
        harm.insert(0, f"it got through: {how}, where {attack.ends} was expected; {ended.stdout[-100:]!r}")
    said = ended.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    return Finding(attack.name, attack.tries, "; ".join(harm) or ended.detail or said or how, not harm)


def controlled(box: Sandbox, name: str) -> Finding:
    """Lets one harmless program run."""
    ended = box.run(CONTROLS[name] + ("print('fine')\n" if name != "exit_functions" else ""), limits=ENOUGH)
    ok = ended.status == "exited" and ended.code == 0 and ended.stdout.endswith(b"fine\n")
    said = (ended.detail or ended.stderr.decode(errors="replace")).strip().rpartition("\n")[2]
    return Finding(f"control/{name}", "runs without harm, and must", "passed" if ok else f"{ended.status}: {said}", ok)


def selftest(box: Sandbox) -> Iterator[Finding]:
    """Every harmless program, then every attack."""
    for name in CONTROLS:
        yield controlled(box, name)
    with Host(box) as host:
        for attack in ATTACKS:
            yield attacked(box, host, attack)


def _run(box: Sandbox, attack: Attack, source: str) -> Ended:
    if not attack.channel:
        return box.run(source, limits=SHORT)
    with box.start(source, limits=SHORT) as guest:
        try:
            guest.receive()
        except GuestEnded as gone:
            return gone.ended
        return guest.end()


def _as_expected(attack: Attack, ended: Ended) -> bool:
    if attack.ends == "harmless":
        return ended.status in ("exited", "signal", "timeout")
    if attack.ends == "refused":
        return ended.status == "signal" or (ended.status == "exited" and ended.code != 0)
    return ended.status == attack.ends
