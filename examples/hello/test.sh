#!/bin/sh
# A line for each case, then how many failed.
failed=0

check() {
  got=$(./seconds.sh "$1" 2>&1)
  if [ "$got" = "$2" ]; then
    echo "ok: $1"
  else
    echo "FAILED: seconds of $1: got $got, want $2"
    failed=$((failed + 1))
  fi
}

check 90s 90
check 20m 1200
check 1h30m 5400
check 90 '`90` needs numbers with a unit: h, m or s'

echo "$failed failed"
test "$failed" = 0
