// Package greeting says hello.
package greeting

// Hello greets somebody.
func Hello(name string) string {
	return "hello, " + name
}
