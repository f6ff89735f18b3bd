"""What `tracegen sandbox` prints: the walls, and the self-test as it goes."""

import json
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape

from tracegen.sandbox import Sandbox
from tracegen.sandbox.selftest import Finding, selftest


def show(*, test: bool, as_json: bool) -> bool:
    """Prints it all; whether nothing failed, which without the self-test is so wherever there is a sandbox."""
    console = Console(soft_wrap=True, highlight=False, quiet=as_json)
    with Sandbox() as box:
        console.print(f"[bold]{box.way}[/bold]")
        for wall, up in box.walls.items():
            console.print(f"  {_mark(up, 'up', 'DOWN')} {wall}")
        findings = []
        if test:
            console.print("[bold]self-test[/bold]")
            for finding in selftest(box):
                findings.append(finding)
                console.print(f"  {_mark(finding.ok, 'ok', 'FAIL')} {_line(finding)}")
        failed = [finding.name for finding in findings if not finding.ok]
        down = [wall for wall, up in box.walls.items() if not up]
        if as_json:
            found = {"secure": box.secure, "way": box.way, "walls": dict(box.walls)}
            print(json.dumps({**found, **({"selftest": [asdict(finding) for finding in findings]} if test else {})}))
        elif down or failed:
            console.print(f"[red]not secure[/red]: {', '.join([*down, *failed])}")
        else:
            tested = f", and {len(findings)} programs ended as they should" if test else "; --selftest attacks them"
            console.print(f"[green]secure[/green]: every wall is up{tested}")
        return not test or (box.secure and not failed)


def _mark(ok: bool, yes: str, no: str) -> str:
    return f"[green]{yes:4}[/green]" if ok else f"[red]{no:4}[/red]"


def _line(finding: Finding) -> str:
    return f"{finding.name:32} {escape(finding.tries):68} {escape(finding.saw[:120])}"
