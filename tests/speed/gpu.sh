#!/usr/bin/env bash
# Speed on an accelerator, as one page of Markdown on standard output, in at most 12 minutes.
#
#   pip install -e '.[demo,parity]'
#   tests/speed/gpu.sh > gpu.md
#   SIZE=tiny tests/speed/gpu.sh      # the same with tiny networks, on any machine
#
# PyTorch's rows need torch and torchattacks, which see the accelerator. A part that fails or takes
# longer than its share, ten times that of tiny networks, is named on the page, and the script then
# ends with 1.
set -u
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
size=${SIZE:-full}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0
# Both libraries share the memory of the device.
export XLA_PYTHON_CLIENT_PREALLOCATE=false
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"

part() { # seconds, title, command...
  local seconds=$1 title=$2
  shift 2
  printf '\n## %s\n\n    %s\n\n' "$title" "${*/#$python/python}"
  timeout "$((patience * seconds))" "$@" 2>"$folder/errors" && return
  local status=$? why
  why=$(tail -n 1 "$folder/errors")
  [ "$status" = 124 ] && why="it took longer than $((patience * seconds)) s"
  printf '\n**This part failed** (status %s): %s\n' "$status" "$why"
  failed=1
}

case $size in
full)
  patience=1 steps=7 large_steps=3
  small=(--width=1 --batch=512 --size=32 --channels=3 --precision=bfloat16 --devices=1)
  large=(--arch=resnet50 --width=1 --batch=128 --size=224 --channels=3 --precision=bfloat16 --devices=1)
  pretrain=(--config.model.width=1.0)
  attack=(--images=1000 --batch-size=500)
  memory=(512 --precision=bfloat16)
  ladder=(--sizes 6 18 36 --width=1 --pixels=32)
  ;;
tiny)
  patience=10 steps=1 large_steps=1 # of PGD
  small=(--width=0.0625 --batch=4 --size=8 --channels=3 --devices=1 --windows=1 --count=1 --variants ours eager)
  large=(--arch=resnet50 "${small[@]:0:2}" --size=97 --channels=3 --devices=1 --windows=1 --count=1 --variants ours eager)
  pretrain=(--config.model.width=0.0625 --config.data.train_examples=64 --config.train.duration=2it)
  attack=(--images=4 --batch-size=4 --quick)
  memory=(4 --width=0.0625 --size=8 --steps=2)
  ladder=(--sizes 2 --width=0.0625 --pixels=8 --batch=4 --windows=1)
  ;;
*)
  echo "SIZE=$size: expected full or tiny" >&2
  exit 2
  ;;
esac

printf '# Speed on an accelerator\n\n    SIZE=%s tests/speed/gpu.sh\n\n' "$size"
"$python" - <<'END' || exit 1
import datetime
import importlib.metadata as metadata

import jax

kind = jax.devices()[0].device_kind
versions = [f"{name} {metadata.version(name)}" for name in ("jax", "flax")]
try:
    versions.append(f"torch {metadata.version('torch')}")
except metadata.PackageNotFoundError:
    pass
print(f"{kind}, {', '.join(versions)}, {datetime.date.today()}.")
END

part 180 "ResNet-18, PGD-$steps and natural" \
  "$python" tests/speed/beside_torch.py pgd natural --steps="$steps" "${small[@]}"
part 180 "ResNet-50, PGD-$large_steps" \
  "$python" tests/speed/beside_torch.py pgd --steps="$large_steps" "${large[@]}"
part 120 "Tickets of a ladder together and one after the other" \
  "$python" tests/speed/together.py --clock=wall "${ladder[@]}"
part 60 "Memory by objective" \
  "$python" tests/speed/memory.py "${memory[@]}" --objectives natural pgd trades
"$python" -m rtickets pretrain --config=configs/pretrain/fashion_robust.py --name=gpu \
  --workdir="$folder" "${pretrain[@]}" >"$folder/pretrain" 2>&1
part 150 "The standard ensemble beside torchattacks" \
  "$python" tests/parity/attacks.py speed robust="$(echo "$folder"/pretrain-gpu*)" "${attack[@]}"
exit $failed
