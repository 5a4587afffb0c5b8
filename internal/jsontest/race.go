//go:build race

package jsontest

// Slack is how much slower the tests may be under the race detector.
const Slack = 10
