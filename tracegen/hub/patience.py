"""Waits and asks again where a server is busy or a connection breaks; what is left over becomes one sentence.

Shape: `patiently(call)` returns what `call` returns; `one_sentence(endpoint, repo)` turns what the client raises into a
TracegenError. The client itself asks again within seconds, for most requests; this is for what outlasts it.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tracegen.progress import say
from tracegen.records import TracegenError

Result = TypeVar("Result")

FIRST_WAIT, LONGEST_WAIT = 2.0, 60.0
"""Seconds; doubled from the one to the other."""
FIRST_CONTACT, TRIES = 6, 12
"""Times that are asked before anything has come back, and later: waits of one minute and of seven in all."""
LONGEST_ASKED = 600.0
"""Seconds that a server may ask for: the Hub's limits hold for windows of five minutes."""
AGAIN = frozenset({408, 429, 500, 502, 503, 504})


def patiently(call: Callable[[], Result], tries: int = TRIES) -> Result:
    """What `call` returns, asked up to `tries` times. It must be safe to repeat."""
    from huggingface_hub.errors import HTTPError

    for tried in range(1, tries + 1):
        try:
            return call()
        except (HTTPError, OSError, RuntimeError) as error:
            cause = cause_of(error)
            if tried == tries or (wait := _wait(cause, tried)) is None:
                raise
            say(f"the Hub {_trouble(cause)}; asking again in {wait:.0f} s.")
            time.sleep(wait)
    raise AssertionError("the last try returns or raises")


def status_of(error: BaseException) -> int | None:
    """The status that a server answered with, where it answered."""
    from huggingface_hub.errors import HfHubHTTPError

    cause = cause_of(error)
    return cause.response.status_code if isinstance(cause, HfHubHTTPError) else None


def cause_of(error: BaseException) -> BaseException:
    """A failed upload of one file arrives wrapped in a RuntimeError."""
    return error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error


def _wait(error: BaseException, tried: int) -> float | None:
    """Seconds until it is worth asking again; None where it never is."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError

    own = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (tried - 1)) * random.uniform(1.0, 1.25)
    if isinstance(error, HfHubHTTPError):
        if error.response.status_code not in AGAIN:
            return None
        asked = error.response.headers.get("Retry-After", "")
        return min(LONGEST_ASKED, max(own, float(asked))) if asked.isdigit() else own
    return own if isinstance(error, HTTPError | ConnectionError | TimeoutError) else None


def _trouble(error: BaseException) -> str:
    status = status_of(error)
    return "says that it is asked too often (429)" if status == 429 else f"answered {status}" if status else "broke off"


@contextmanager
def one_sentence(endpoint: str, repo: str) -> Iterator[None]:
    """What the client raises, as one TracegenError."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError

    try:
        yield
    except (HTTPError, OSError, RuntimeError, ValueError) as error:
        cause = cause_of(error)
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
        case 412:
            return f"takes other commits to {repo} at the same time{said}; publish again when they are done"
    return f"answered {status} when asked to publish {repo}{said}; publish again later"


def _line(error: object) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
