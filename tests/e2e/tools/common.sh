# What the walks of all tools share: a cloud of one's own over an empty folder, and counted steps.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
work=$(mktemp -d)
export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1 AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
unset AWS_PROFILE AWS_SESSION_TOKEN

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# Starts the debug binary; `cloud` is its process, AWS_ENDPOINT_URL its address.
start_cloud() {
  local port
  port=$(free_port)
  "$root/target/debug/undercast" up --data "$work/data" --listen "127.0.0.1:$port" \
    --node-libs "$root/runtimes/node/node_modules" "$@" 2>"$work/log" &
  cloud=$!
  trap 'kill "$cloud" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
  export AWS_ENDPOINT_URL=http://127.0.0.1:$port
  for _ in $(seq 300); do curl -fs "$AWS_ENDPOINT_URL/_undercast/health" >/dev/null && return; sleep 0.1; done
  cat "$work/log"
  return 1
}

passed=0
# A step that fails ends the walk (`set -e`).
step() {
  local began=$SECONDS
  echo "-- $1"
  shift
  "$@"
  passed=$((passed + 1))
  echo "   $((SECONDS - began)) s"
}

# `quietly COMMAND…`: its output is in $work/said, and is shown where it fails.
quietly() { "$@" >"$work/said" 2>&1 || { cat "$work/said"; return 1; }; }

# `has TEXT`: what `quietly` caught last has the text.
has() { grep -qF -- "$1" "$work/said" || { echo "no '$1' in:"; cat "$work/said"; return 1; }; }

# `eventually COMMAND…`: tries for half a minute.
eventually() {
  for _ in $(seq 150); do "$@" >/dev/null 2>&1 && return; sleep 0.2; done
  "$@"
}

done_with() { echo "$passed passed, 0 failed"; }
