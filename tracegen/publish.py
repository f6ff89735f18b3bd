"""The corpus goes to the Hub: one data set repository, one commit, with the unmodified `huggingface_hub` client.

The server is HF_ENDPOINT, or huggingface.co; the token comes from the client's own places (HF_TOKEN, `hf auth login`)
and from nowhere else. Publishing again commits what has changed, and nothing when nothing has.
Limits: one commit holds the whole corpus, so that readers never see half of it; it is not made for thousands of files.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

import yaml

from tracegen.records import TracegenError, UsageError

FILES = (
    "README.md",
    "croissant.json",
    "decontamination.json",
    "funnel.json",
    "recipe.yaml",
    "prompts/*.yaml",
    "data/*/train-*.parquet",
)
"""What is published; whatever else lies in the folder stays at home."""


def publish(
    corpus: Path, repo: str, *, private: bool = False, message: str | None = None, benchmarks: Iterable[str] = ()
) -> str:
    """Upload the folder `corpus` to the data set `repo` ("owner/name"), made if need be; the repository's URL.

    `benchmarks` are those that the recipe names now: the corpus must have been checked against each of them.
    Data files of an earlier, larger corpus are deleted in the same commit.
    Raises UsageError (no corpus, a benchmark that it was not checked against, no token, a malformed name, a public
    repository where a private one was asked for) and TracegenError (what the server or the network said).
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token

    files = _files(corpus)
    rows = _rows(corpus)
    _refuse_unchecked(corpus, benchmarks)
    _check_name(repo)
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), library_name="tracegen")
    if get_token() is None:
        raise UsageError(f"publishing to {api.endpoint} needs a token; set HF_TOKEN, or log in with `hf auth login`.")
    with _one_sentence(api.endpoint, repo):
        url = api.create_repo(repo, repo_type="dataset", private=private or None, exist_ok=True)
        if private and not api.dataset_info(url.repo_id).private:
            raise UsageError(
                f"{url} is public, and a private corpus was asked for; make it private there, or name another."
            )
        present = api.list_repo_files(url.repo_id, repo_type="dataset")
        stale = [path for path in present if fnmatch(path, "data/*train-*.parquet") and path not in files]
        # Not `upload_folder`: with Xet it streams the folder in several commits.
        api.create_commit(
            url.repo_id,
            [
                *(CommitOperationDelete(path) for path in stale),
                *(CommitOperationAdd(path, corpus / path) for path in files),
            ],
            commit_message=message or f"Publish {rows:,} traces",
            repo_type="dataset",
        )
    return str(url)


def _files(corpus: Path) -> list[str]:
    files = sorted(path.relative_to(corpus).as_posix() for pattern in FILES for path in corpus.glob(pattern))
    if "README.md" not in files or not any(path.startswith("data/curated/") for path in files):
        raise UsageError(f"there is no corpus in {corpus}; run `tracegen curate` first.")
    return files


def _rows(corpus: Path) -> int:
    import pyarrow
    import pyarrow.parquet as parquet

    rows = 0
    for path in sorted(corpus.glob("data/curated/train-*.parquet")):
        try:
            rows += parquet.read_metadata(path).num_rows
        except (pyarrow.ArrowException, OSError) as error:
            raise UsageError(f"{path} is not a Parquet file ({error}); run `tracegen curate` again.") from None
    if not rows:
        raise UsageError(f"the corpus in {corpus} holds no trace; there is nothing to publish.")
    return rows


def _refuse_unchecked(corpus: Path, benchmarks: Iterable[str]) -> None:
    """A recipe that names a benchmark promises that the corpus holds nothing of it."""
    try:
        unchecked = yaml.safe_load(_text(corpus / "funnel.json")).get("unchecked")
        made_for = (yaml.safe_load(_text(corpus / "recipe.yaml")).get("evaluate") or {}).get("benchmarks") or {}
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError):
        raise UsageError(f"the corpus in {corpus} is damaged; run `tracegen curate` again.") from None
    if unchecked:
        raise UsageError(
            f"the corpus was not checked against {', '.join(unchecked)}, which the recipe names and which could not be "
            "loaded; make it loadable, or remove it from evaluate.benchmarks, and run `tracegen curate` again."
        )
    if new := [name for name in benchmarks if name not in made_for]:
        raise UsageError(
            f"the corpus was made before the recipe named {', '.join(new)}, and was not checked against it; "
            "run `tracegen curate` again."
        )


def _text(path: Path) -> str:
    """A file of the corpus; an empty mapping where there is none."""
    return path.read_text(encoding="utf-8") if path.is_file() else "{}"


def _check_name(repo: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError:
        raise UsageError(
            f"{repo!r} is not the name of a repository; write owner/name, with letters, digits, '-', '_' and '.' only."
        ) from None


@contextmanager
def _one_sentence(endpoint: str, repo: str) -> Iterator[None]:
    """What the client raises, as one TracegenError."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError

    try:
        yield
    except (HTTPError, OSError, RuntimeError, ValueError) as error:
        # A failed upload of one file arrives wrapped in a RuntimeError.
        cause = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error
        if isinstance(cause, HfHubHTTPError):
            sentence = _answer(cause.response.status_code, repo, cause.server_message)
        elif isinstance(cause, HTTPError | ConnectionError):
            sentence = f"cannot be reached ({_line(cause)}); check HF_ENDPOINT and the network, and publish again"
        else:
            sentence = f"did not take {repo}: {_line(cause)}"
        raise TracegenError(f"{endpoint} {sentence}.") from error


def _answer(status: int, repo: str, said: str | None) -> str:
    said = f" ({_line(said)})" if said else ""
    match status:
        case 401:
            return f"does not accept the token{said}; set a valid HF_TOKEN, or log in with `hf auth login`"
        case 403:
            return f"does not let this token write to {repo}{said}; it needs write access to that owner's repositories"
        case 404:
            return f"has no {repo} that this token can see{said}; check the owner's name"
    return f"answered {status} when asked to publish {repo}{said}; publish again later"


def _line(error: object) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
