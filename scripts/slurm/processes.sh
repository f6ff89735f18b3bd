#!/usr/bin/env bash
# The training processes of one node, started by train.sbatch on each; its arguments are what they run.
set -euo pipefail
gpus=${SLURM_GPUS_ON_NODE:-8}
shipped='from tracegen import shipped; print(shipped.find("recipes", "recipes/accelerate/fsdp2.yaml"))'
config=${CONFIG:-$(python -c "$shipped")}
exec accelerate launch \
    --config_file "$config" \
    --num_machines "$SLURM_NNODES" \
    --num_processes "$((SLURM_NNODES * gpus))" \
    --machine_rank "$SLURM_NODEID" \
    --main_process_ip "$MAIN_NODE" \
    --main_process_port "${MAIN_PORT:-29500}" \
    "$@"
