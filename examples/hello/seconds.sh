#!/bin/sh
# Prints the seconds of a duration such as 1h30m.
set -eu
text=$1
case $text in
  *[!0-9hms]* | '' | *[0-9]) echo "\`$text\` needs numbers with a unit: h, m or s" >&2; exit 1 ;;
esac
echo $(($(echo "$text" | sed 's/h/*3600+/; s/m/*60+/; s/s/+/; s/+$//')))
