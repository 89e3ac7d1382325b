#!/usr/bin/env bash
# All that only a GPU can show, in about nine minutes, or some parts of it:
#
#     OUT=results bash benchmarks/gpu.sh                    # a GPU, and MNIST in LATENTGEO_DATA
#     OUT=results bash benchmarks/gpu.sh training seeds     # these parts alone
#     OUT=results CASES=acai bash benchmarks/gpu.sh training
#     OUT=results bash benchmarks/gpu.sh --smoke            # on a CPU, as small as can be
#
# Each part has its own limit, writes its table into OUT before the next one starts, and lets the
# next one start when it fails. Runs lie in RUNS (default: OUT/runs): with the same folder, a later
# call goes on with them. Models of `precision` and `characterization` are trained here and
# analysed where time is cheaper, by the same commands without --train-only and --only.
set -uo pipefail
cd "$(dirname "$0")/.."

smoke=false
if [ "${1:-}" = --smoke ]; then
    smoke=true
    shift
fi
wanted=" ${*:-card tests training geometry seeds precision characterization lines} "
out=${OUT:-benchmarks/results}
runs=${RUNS:-$out/runs}
mkdir -p "$out"
log="$out/gpu.log"
: >"$log"
failed=0

# part NAME SECONDS COMMAND...
part() {
    local name=$1 limit=$2 start=$SECONDS
    shift 2
    [[ "$wanted" == *" $name "* ]] || return
    echo "== $name" | tee -a "$log"
    timeout --signal=INT --kill-after=10 "$limit" "$@" >>"$log" 2>&1
    local status=$?
    [ "$status" -eq 0 ] || failed=$((failed + 1))
    echo "== $name: exit $status, $((SECONDS - start)) s of $limit" | tee -a "$log"
}

tests=(python -m pytest -q -p no:cacheprovider -m gpu -o addopts="--strict-markers --import-mode=importlib")
if $smoke; then
    part card 300 python benchmarks/card.py --device cpu --out "$out"
    part tests 300 "${tests[@]}" tests/training/test_graph.py
    part training 300 python benchmarks/training.py --turns 2 --cases ${CASES:-mlp} --out "$out"
    part geometry 300 python benchmarks/geometry.py --no-peers --samples 30 --out "$out"
    part seeds 300 python benchmarks/batched_seeds.py --repeats 1 --cases aae --out "$out"
    part precision 300 python benchmarks/precision.py --scale smoke --device cpu --out "$out"
    part characterization 300 python analyses/latent_characterization.py --scale smoke --only cae --out "$runs/characterization"
    part lines 300 python analyses/acai_lines.py --scale smoke --seeds 1 --only acai --out "$runs/lines"
else
    part card 30 python benchmarks/card.py --out "$out"
    # geomstats may be absent there: what needs it cannot be collected.
    part tests 90 "${tests[@]}" -n 8 --dist=load tests/training tests/geometry --ignore tests/geometry/test_manifolds.py
    part training 150 python benchmarks/training.py --device cuda --cases ${CASES:-mlp sctc aae acai} --out "$out"
    part geometry 60 python benchmarks/geometry.py --device cuda --out "$out"
    part seeds 110 python benchmarks/batched_seeds.py --device cuda --repeats 1 --out "$out"
    part precision 120 python benchmarks/precision.py --scale paper --epochs 5 --device cuda --workers 4 --runs "$runs/precision" --train-only
    # What is left of nine minutes.
    left() { echo $((540 - SECONDS > 30 ? 540 - SECONDS : 30)); }
    part characterization "$(left)" python analyses/latent_characterization.py --data mnist --scale paper --seeds 2 --workers 4 --device cuda --precision bf16-mixed --only cae dae vae cae-linear vae-weak --out "$runs/characterization"
    part lines "$(left)" python analyses/acai_lines.py --scale paper --seeds 1 --only acai --precision tf32 --out "$runs/lines"
fi
exit "$failed"
