// Command duration prints the seconds of the durations it is given.
package main

import (
	"fmt"
	"os"

	"example.org/duration"
)

func main() {
	for _, text := range os.Args[1:] {
		seconds, err := duration.Seconds(text)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Printf("%s: %d\n", text, seconds)
	}
}
