// Package random has tests only. They hold random orders of gates, around what
// chains, agents and models do under them, against a simple account of what must
// run, be denied, be charged, be streamed and stand on the trail.
//
//	go test ./internal/random -calls 1000000
package random
