#!/usr/bin/env bash
# The same command on all hosts of a TPU VM pod: launch/tpu_pod.sh NAME ZONE VERB ...
# See launch/README.md.
set -eu

if [ "$#" -lt 3 ]; then
  echo "usage: launch/tpu_pod.sh NAME ZONE VERB [OPTION ...]" >&2
  exit 2
fi
name=$1 zone=$2
shift 2

# One argument of ssh is a line for the shell of every host.
line="cd ${RTICKETS_FOLDER:-rtickets} && exec ${RTICKETS:-.venv/bin/rtickets}$(printf ' %q' "$@")"
exec gcloud compute tpus tpu-vm ssh "$name" --zone="$zone" --worker=all \
  --command="$line --distributed"
