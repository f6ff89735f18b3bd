"""One commit makes a repository hold given files; where it holds them already, nothing is sent.

Shape: `push(repo, kind, files, ...) -> Pushed`. Readers see the old state or the new one: a commit names the one that
it was made for, so that where somebody else was quicker (412) it is looked at again and made anew. A file that was
uploaded before a crash is not uploaded again, because the server knows it by its hash.
Limits: one commit holds everything; it is not made for many thousands of files.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from typing import Any

from tracegen.hub.patience import FIRST_CONTACT, one_sentence, patiently, status_of
from tracegen.hub.remote import Content, Kind, Remote, look
from tracegen.progress import say
from tracegen.records import TracegenError, UsageError

LOOKS = 3
"""How often somebody else may be quicker."""
Told = Callable[[Remote], tuple[str, Mapping[str, bytes]]]
"""What a commit says, and further files that tell of it."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of it."""

    url: str
    commit: str | None
    """None: everything was there already."""
    message: str
    changed: Sequence[str]
    """Files that were added, replaced or removed."""


def push(
    repo: str, kind: Kind, files: Mapping[str, Content], *, owned: Sequence[str], told: Told, private: bool = False
) -> Pushed:
    """Make `repo`, created if need be, hold `files`; what else there is under the patterns `owned` is removed.

    `told` is asked only where there is something to change. Raises UsageError (no token, a malformed name, a public
    repository where a private one was asked for) and TracegenError (what the server or the network said).
    """
    from huggingface_hub import HfApi, get_token

    check_name(repo)
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), library_name="tracegen")
    if get_token() is None:
        raise UsageError(f"publishing to {api.endpoint} needs a token; set HF_TOKEN, or log in with `hf auth login`.")
    with one_sentence(api.endpoint, repo):
        made = partial(api.create_repo, repo, repo_type=kind, private=private or None, exist_ok=True)
        url = patiently(made, FIRST_CONTACT)
        sent = ""
        for tried in range(1, LOOKS + 1):
            there = patiently(lambda: look(api, url.repo_id, kind))
            if private and not there.private:
                what = "corpus" if kind == "dataset" else "student"
                raise UsageError(
                    f"{url} is public, and a private {what} was asked for; make it private there, or name another."
                )
            changed = {path: content for path, content in files.items() if not there.same(path, content)}
            stale = [path for path in there.files if path not in files and any(fnmatch(path, own) for own in owned)]
            if not changed and not stale:
                return Pushed(str(url), there.sha if sent else None, sent, ())
            message, more = patiently(partial(told, there))
            try:
                done = _commit(api, there, {**changed, **more}, stale, message)
                return Pushed(str(url), done, message, sorted({*changed, *more, *stale}))
            except (OSError, RuntimeError) as error:
                if status_of(error) != 412 or tried == LOOKS:
                    raise
                # Either somebody else, or this very commit, whose answer was lost on the way.
                sent = message
                say(f"{repo} has another commit meanwhile; looking again.")
    raise TracegenError(f"{api.endpoint} takes other commits to {repo} at the same time; publish again later.")


def check_name(repo: str) -> None:
    """Refuse what the Hub does not take as a name, and one without its owner, which the card has to say."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo)
        whole = "/" in repo
    except HFValidationError:
        whole = False
    if not whole:
        raise UsageError(
            f"{repo!r} is not the name of a repository; write owner/name, with letters, digits, '-', '_' and '.' only."
        )


def _commit(api: Any, there: Remote, files: Mapping[str, Content], stale: Sequence[str], message: str) -> str:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    # Made once: an addition knows that it was uploaded when the commit is tried again.
    # Not `upload_folder`: with Xet it streams the folder in several commits.
    operations = [
        *(CommitOperationDelete(path) for path in stale),
        *(CommitOperationAdd(path, content) for path, content in files.items()),
    ]
    summary, _, description = message.partition("\n\n")
    made = patiently(
        lambda: api.create_commit(
            there.name,
            operations,
            commit_message=summary,
            commit_description=description,
            repo_type=there.kind,
            parent_commit=there.sha,
        )
    )
    return str(made.oid)
