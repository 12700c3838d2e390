#!/usr/bin/env bash
# Runs the SLURM scripts for real on a throwaway cluster of this one machine: see launch/README.md.
#
#   apt-get install slurm-wlm munge && pip install '.[launch]'
#   launch/try_slurm.sh
#
# Needs root. The cluster, its key and its logs lie in a temporary folder and are gone afterwards.
set -eu
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
folder=$(mktemp -d)
chmod 755 "$folder"
export SLURM_CONF=$folder/slurm.conf
export RTICKETS=$folder/rtickets
export XDG_CACHE_HOME=$folder/cache XDG_STATE_HOME=$folder/state
pids=()

finish() {
  for pid in "${pids[@]}"; do
    kill "$pid" 2>/dev/null || true
  done
  wait
  rm -rf "$folder"
}
trap finish EXIT

start_cluster() {
  local host
  host=$(hostname -s)
  mkdir "$folder/state" "$folder/spool"
  head -c 1024 /dev/urandom >"$folder/munge.key"
  chmod 400 "$folder/munge.key"
  cat >"$SLURM_CONF" <<CONF
ClusterName=try
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=5
SlurmctldPort=26817
SlurmdPort=26818
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=1,sched_interval=1
MpiDefault=none
JobRequeue=1
ReturnToService=2
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
  munged --foreground --force --num-threads=1 --key-file="$folder/munge.key" \
    --socket="$folder/munge.socket" --pid-file="$folder/munge.pid" \
    --log-file="$folder/munge.log" --seed-file="$folder/munge.seed" &
  pids+=($!)
  slurmctld -D &
  pids+=($!)
  slurmd -D &
  pids+=($!)
  for _ in $(seq 60); do
    if [ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ]; then
      return
    fi
    sleep 1
  done
  tail "$folder"/*.log >&2
  exit 1
}

wait_for_jobs() {
  while [ -n "$(squeue --noheader)" ]; do
    sleep 1
  done
}

passed() {
  echo "PASSED after $SECONDS s: $1"
}

failed() {
  echo "FAILED after $SECONDS s: $1" >&2
  tail -n 30 "$folder"/out-* "$folder"/state/rtickets/slurm/*_log.err >&2 || true
  exit 1
}

distributed() {
  local job run
  job=$(sbatch --parsable --nodes=1 --ntasks-per-node=2 --output="$folder/out-train" \
    launch/slurm_train.sbatch pretrain --config=configs/pretrain/fashion_natural.py \
    --config.data.train_examples=512 --config.model.width=0.03125 --config.train.duration=8ep \
    --cpu-devices=1 --workdir="$folder/train")
  until [ -n "$(cat "$folder"/train/pretrain-*/metrics.jsonl 2>/dev/null)" ]; do
    [ -n "$(squeue --noheader)" ] || failed "the distributed job trains"
    sleep 0.2
  done
  scancel --signal=TERM "$job"
  wait_for_jobs
  run=$(echo "$folder"/train/pretrain-*)
  [ -f "$run/COMPLETE" ] || failed "one training of two processes"
  scontrol show job "$job" | grep -q Restarts=1 || failed "the preempted job came back"
  [ "$(wc -l <"$run/metrics.jsonl")" = 8 ] || failed "every epoch is in the metrics once"
  passed "one training of two processes, preempted once, back from the queue, complete"
}

study_array() {
  sbatch --array=0-1 --output="$folder/out-%a" launch/slurm_study.sbatch \
    --config=configs/studies/tiny.py --cpu-devices=1 --workdir="$folder/array"
  wait_for_jobs
  ls "$folder"/array/study-tiny-*/report.html || failed "a study as a job array"
  passed "a study as a job array of two workers"
}

study_submitit() {
  "$RTICKETS" study --config=configs/studies/tiny.py --cpu-devices=1 --workdir="$folder/submitit" \
    --launcher=slurm --workers=2 --slurm=time=30
  wait_for_jobs
  cmp "$folder"/array/study-tiny-*/result.json "$folder"/submitit/study-tiny-*/result.json ||
    failed "the same study through submitit"
  passed "the same study through --launcher=slurm, bit-equal"
}

start_cluster 2>"$folder/daemons.log"
printf '#!/bin/sh\nexec %s -m rtickets "$@"\n' "$(command -v "$python")" >"$RTICKETS"
chmod +x "$RTICKETS"
passed "a cluster of one node"
distributed
study_array
study_submitit
