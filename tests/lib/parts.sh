# shellcheck shell=bash
# The parts of the test command: run one, time it, count its tests; then the table and the last line.

parts=() passed=0 failed=0 skipped=0 failures=()
part_pid='' part_status=0

# part NAME BUDGET FUNCTION: runs the function in a process group of its own, so that a signal to the test command
# ends all of it; what it prints is shown and kept. Its status is in $part_status, not returned: within `if` or `||`
# bash would switch `set -e` off for the function too.
part() {
  local name=$1 budget=$2 function=$3 started=$SECONDS
  local log=${sandbox:?}/log/$function
  printf '\n== %s\n' "$name"
  # Job control gives the process group; it is off again before anything else could be taken for a job.
  set -m
  (set -e; "$function" 2>&1 | tee "$log") </dev/null &
  part_pid=$!
  set +m
  part_status=0
  wait "$part_pid" || part_status=$?
  part_pid=
  count "$name" "$log" "$part_status"
  parts+=("$name|$((SECONDS - started))|$budget|$([[ $part_status == 0 ]] && echo ok || echo FAILED)")
}

# not_run NAME REASON: a part that can't run here.
not_run() {
  printf '\n== %s: not run: %s\n' "$1" "$2"
  parts+=("$1|0||not run")
}

# count NAME LOG STATUS: adds the tests of a part, as the test runner counted them.
count() {
  local name=$1 log=$2 status=$3 p f s
  read -r p f s < <(awk '/^test result: / { p += $4; f += $6; s += $8 } END { print p + 0, f + 0, s + 0 }' "$log")
  # A part that ends badly before any test could is one failure.
  [[ $status == 0 || $f -gt 0 ]] || f=1 failures+=("$name")
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  mapfile -t -O "${#failures[@]}" failures < <(sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$log")
}

# one_test NAME COMMAND...: a command that is one test, told as the test runner tells it.
one_test() {
  if "${@:2}"; then
    echo 'test result: ok. 1 passed; 0 failed; 0 ignored'
  else
    echo "test $1 ... FAILED"
    echo 'test result: FAILED. 0 passed; 1 failed; 0 ignored'
    return 1
  fi
}

end_part() {
  [[ -n $part_pid ]] || return 0
  kill -TERM -- "-$part_pid" 2>/dev/null || true
  wait "$part_pid" 2>/dev/null || true
  part_pid=
}

minutes() { printf '%d.%d' $(($1 / 60)) $(($1 % 60 / 6)); }

# The table of parts, then what failed, then the counts: the last line is the result.
summary() {
  local row name seconds budget state
  printf '\n%-14s %7s %7s\n' part minutes budget
  for row in "${parts[@]}"; do
    IFS='|' read -r name seconds budget state <<<"$row"
    printf '%-14s %7s %7s  %s\n' "$name" "$(minutes "$seconds")" "${budget:--}" "$state"
  done
  printf '%-14s %7s %7s\n\n' total "$(minutes "$SECONDS")" 60
  for name in "${failures[@]}"; do printf 'failed: %s\n' "$name"; done
  printf 'tests: %d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
}
