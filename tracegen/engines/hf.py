"""Transformers' own `generate`, in batches: works wherever torch does, and needs nothing else.

Shape: up to `batch_size` requests with the same sampling share a left-padded batch, and are yielded when it is done.
An answer that was cut off goes on from its own text (`_prefix`). A batch that fails costs the model its life, and it is
loaded again (`_revive`); an accelerator that is broken stays broken in this process.
Limits: a batch lasts as long as its longest completion, so vLLM is several times faster. Seeds: with the same seeds in
the same batch a completion comes out the same; in another batch it may not.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from importlib.util import find_spec
from typing import Any

from tracegen import telemetry
from tracegen.engines._draw import IDLE, Stream, draw, refuse_unknown
from tracegen.engines._prefix import allowance, encoded
from tracegen.engines._revive import Answers, Died, revived
from tracegen.records import Completion, MissingExtra, Request, TracegenError, UsageError

__all__ = ["hf"]

_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens", "stop", "seed")


@dataclass(frozen=True, slots=True)
class _Prompt:
    """A rendered request: its token ids, with what the completion's text begins, and how many tokens may follow."""

    request: Request
    ids: list[int]
    begun: str
    rest: list[int]
    """The last of the ids: those of the answer that goes on."""
    allowance: int

    @property
    def shape(self) -> tuple[Any, ...]:
        """What the requests of one batch have in common."""
        sampling = {name: value for name, value in self.request.sampling.items() if name not in ("seed", "max_tokens")}
        return self.allowance, repr(sorted(sampling.items()))


def hf(
    requests: Iterable[Request | None],
    *,
    model: str,
    batch_size: int = 16,
    dtype: str = "auto",
    device: str = "auto",
    model_kwargs: Mapping[str, Any] | None = None,
) -> Iterator[tuple[Request, Completion]]:
    """Transformers' own generate, in batches; slower than vLLM, but it runs anywhere.

    `dtype` is torch's name (`bfloat16`) or `auto` for the checkpoint's own; `device` is torch's name or `auto` for the
    first accelerator; `model_kwargs` holds any other argument of `AutoModelForCausalLM.from_pretrained`.
    """
    if find_spec("transformers") is None or find_spec("torch") is None:
        raise MissingExtra("transformers with torch", "hf")
    if batch_size < 1:
        raise UsageError(f"engine 'hf' needs a batch_size of at least 1, not {batch_size}.")
    load = partial(_Writer, model, dtype, device, dict(model_kwargs or {}))
    yield from revived(requests, partial(_life, load=load, batch_size=batch_size))


def _life(requests: Iterator[Request | None], load: Callable[[], "_Writer"], batch_size: int) -> Answers:
    """A model from loading to freeing; `Died` if a batch fails."""
    if (drawn := draw(requests)) is None:
        return
    first, stream = drawn[0], Stream(drawn[1])
    refuse_unknown("hf", first.sampling, _SAMPLING)
    writer = load()
    batch: list[_Prompt] = []
    held: list[_Prompt] = []
    while stream.more or held:
        batch[:], held[:] = held, ()
        for request in stream.while_room(lambda: not held and len(batch) < batch_size):
            try:
                prompt = writer.render(request)
            except Exception as error:  # noqa: BLE001
                yield request, Completion(error=" ".join(str(error).split())[:300])
                continue
            if batch and prompt.shape != batch[0].shape:
                held.append(prompt)
            else:
                batch.append(prompt)
        if batch:
            telemetry.gauge(batch[0].request.teacher, in_flight=len(batch), slots=batch_size)
            try:
                completions = writer.write(batch)
            except Exception as error:
                raise Died(
                    f"transformers failed: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
                ) from error
            yield from zip((prompt.request for prompt in batch), completions, strict=True)
        elif stream.idle:
            time.sleep(IDLE)


class _Writer:
    """A loaded model with its tokenizer."""

    def __init__(self, model: str, dtype: str, device: str, model_kwargs: dict[str, Any]) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        if device == "auto":
            accelerator = torch.accelerator.current_accelerator()
            device = accelerator.type if accelerator else "cpu"
        try:
            hub = {name: model_kwargs[name] for name in ("revision", "trust_remote_code") if name in model_kwargs}
            self.tokenizer: Any = AutoTokenizer.from_pretrained(model, padding_side="left", **hub)
            loaded: Any = AutoModelForCausalLM.from_pretrained(model, dtype=dtype, **model_kwargs)
        except (OSError, TypeError, ValueError) as error:
            raise TracegenError(f"transformers could not load {model}: {' '.join(str(error).split())[:300]}") from error
        if not self.tokenizer.chat_template:
            raise UsageError(f"the model {model} has no chat template; take an instruct model.")
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.model: Any = loaded.to(device).eval()
        ends = self.model.generation_config.eos_token_id or self.tokenizer.eos_token_id
        self.ends: list[int] = ends if isinstance(ends, list) else [ends]
        # Only the recipe decides how to sample: the checkpoint's own temperature, top_p ... would be added otherwise.
        self.model.generation_config = GenerationConfig(eos_token_id=ends, pad_token_id=self.tokenizer.pad_token_id)
        self.context: int = (
            getattr(self.model.config, "max_position_embeddings", None) or self.tokenizer.model_max_length
        )

    def render(self, request: Request) -> _Prompt:
        """ValueError if the prompt fills the context."""
        ids, rest, begun = encoded(self.tokenizer, request)
        if (room := self.context - len(ids) - len(rest)) < 1:
            raise ValueError(f"the prompt has {len(ids) + len(rest)} tokens and the context only {self.context}")
        return _Prompt(request, ids + rest, begun, rest, min(allowance(request) or room, room))

    def write(self, batch: list[_Prompt]) -> list[Completion]:
        """One completion for each, in order."""
        import torch

        sampling = batch[0].request.sampling
        seeds = [prompt.request.sampling.get("seed") for prompt in batch]
        if any(seed is not None for seed in seeds):
            torch.manual_seed(int.from_bytes(sha256(repr(seeds).encode()).digest()[:8], "big", signed=True))
        padded = self.tokenizer.pad({"input_ids": [prompt.ids for prompt in batch]}, return_tensors="pt")
        stop = [sampling["stop"]] if isinstance(sampling.get("stop"), str) else list(sampling.get("stop") or ())
        with torch.inference_mode():
            written = self.model.generate(
                **padded.to(self.model.device),
                max_new_tokens=batch[0].allowance,
                tokenizer=self.tokenizer,
                stop_strings=stop or None,
                **_how(sampling),
            )
        new = written[:, padded["input_ids"].shape[1] :].tolist()
        return [self._completion(prompt, ids, stop) for prompt, ids in zip(batch, new, strict=True)]

    def _completion(self, prompt: _Prompt, ids: list[int], stop: list[str]) -> Completion:
        end = next((place for place, token in enumerate(ids) if token in self.ends), None)
        used = ids if end is None else ids[: end + 1]
        text = self._text(prompt.rest, used)
        cuts = [place for place in (text.find(string) for string in stop) if place >= 0]
        if cuts:
            text = text[: min(cuts)]
            used = self._until_stop(used, stop)
        stopped = end is not None or bool(cuts)
        return Completion(
            text=prompt.begun + text,
            finish_reason="stop" if stopped else "length",
            prompt_tokens=len(prompt.ids),
            completion_tokens=len(used),
            prefix_tokens=prompt.request.prefix_tokens,
        )

    def _text(self, before: list[int], ids: list[int]) -> str:
        """What the ids add: some tokenizers take the space off the first word of whatever they decode."""
        known, whole = (self.tokenizer.decode(part, skip_special_tokens=True) for part in (before, before + ids))
        return whole[len(known) :]

    def _until_stop(self, ids: list[int], stop: list[str]) -> list[int]:
        """The tokens up to the one that completed a stop string; what follows is padding of the batch."""
        while len(ids) > 1 and any(
            string in self.tokenizer.decode(ids[:-1], skip_special_tokens=True) for string in stop
        ):
            ids = ids[:-1]
        return ids


def _how(sampling: Mapping[str, Any]) -> dict[str, Any]:
    """vLLM's names and defaults as transformers': temperature 1, and nothing is cut off the distribution."""
    penalty = {"repetition_penalty": sampling["repetition_penalty"]} if "repetition_penalty" in sampling else {}
    if (temperature := sampling.get("temperature", 1.0)) == 0:
        return {"do_sample": False, **penalty}
    return {
        "do_sample": True,
        "temperature": float(temperature),
        "top_p": float(sampling.get("top_p", 1.0)),
        "top_k": max(0, sampling.get("top_k", 0)),
        **({"min_p": sampling["min_p"]} if sampling.get("min_p") else {}),
        **penalty,
    }
