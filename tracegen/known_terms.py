"""The dated table of what licences of weights and terms of services say of training on a model's words.

    of_weights(model)    the line of the model, by its name on the Hub: under which licence its weights are
    of_licence(name)     what that licence says of outputs; None for one that says nothing (MIT, Apache-2.0)
    of_service(host)     what those agree to who ask there
    foreign_host(...)    the host that a teacher is asked at, unless it is one's own

Limits: data/terms.yaml is small, holds only what was read, and ages; `unknown` is an answer.
"""

import datetime
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from ipaddress import ip_address
from typing import Any, Literal
from urllib.parse import urlsplit

import yaml

from tracegen import shipped
from tracegen.licences import named
from tracegen.recipe import Strict

MayTrain = bool | Literal["unknown"]


class Entry(Strict):
    """A line of the table; its comments say what the fields mean."""

    licence: str | None = None
    model: str | None = None
    host: str | None = None
    may_train: MayTrain = "unknown"
    because: str | None = None
    outputs: str | None = None
    student: str | None = None
    duty: str | None = None
    name_begins: str | None = None
    dated: datetime.date | None = None
    read: datetime.date
    url: str

    @property
    def why(self) -> str:
        """What it rests on, in words for the user."""
        return (
            f"{self.because or f'{self.licence or self.host} allows it'} ({self.url}, as of {self.dated or self.read})"
        )


@cache
def table() -> dict[str, tuple[Entry, ...]]:
    """The lines that come with tracegen: `licences`, `models`, `services`."""
    tree = yaml.safe_load(shipped.find("data", "terms.yaml").read_text(encoding="utf-8"))
    return {kind: tuple(Entry.model_validate(row) for row in rows) for kind, rows in tree.items()}


def of_weights(model: str) -> Entry | None:
    return next((entry for entry in table()["models"] if fnmatchcase(model, entry.model or "")), None)


def of_licence(licence: str | None) -> Entry | None:
    name = named(licence)
    return next((entry for entry in table()["licences"] if entry.licence == name), None)


def of_service(host: str) -> Entry | None:
    return next((entry for entry in table()["services"] if entry.host == host), None)


def foreign_host(options: Mapping[str, Any]) -> str | None:
    """The host in `base_url`; None for this machine, a private address, and a name of one's own network."""
    host = urlsplit(str(options.get("base_url") or "")).hostname
    if not host or "." not in host.strip(".") or re.search(r"\.(local|internal|lan|svc)(\.|$)", host):
        return None
    try:
        return host if ip_address(host).is_global else None
    except ValueError:
        return host
