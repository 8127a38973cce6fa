// Package duration reads durations as people write them: 90s, 20m, 1h30m.
package duration

import (
	"fmt"
	"strconv"
)

var units = map[rune]int{'h': 60 * 60, 'm': 60, 's': 1}

// Seconds returns the duration in seconds.
func Seconds(text string) (int, error) {
	total, number := 0, ""
	for _, letter := range text {
		if letter >= '0' && letter <= '9' {
			number += string(letter)
			continue
		}
		count, err := strconv.Atoi(number)
		if err != nil {
			return 0, fmt.Errorf("`%s` needs a number and a unit", text)
		}
		unit, known := units[letter]
		if !known {
			return 0, fmt.Errorf("`%c` is no unit; there are h, m and s", letter)
		}
		total += count * unit
		number = ""
	}
	if text == "" || number != "" {
		return 0, fmt.Errorf("`%s` needs a number and a unit", text)
	}
	return total, nil
}
