package duration

import (
	"strings"
	"testing"
)

func TestSeconds(t *testing.T) {
	for text, want := range map[string]int{"90s": 90, "20m": 1200, "1h30m": 5400} {
		got, err := Seconds(text)
		if err != nil || got != want {
			t.Errorf("Seconds(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
}

func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":   "needs a number and a unit",
		"90": "needs a number and a unit",
		"3d": "`d` is no unit",
	} {
		_, err := Seconds(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Seconds(%q) = %v; want an error with %q", text, err, want)
		}
	}
}
