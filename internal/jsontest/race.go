//go:build race

package schema_test

// slack is how much slower the tests may be under the race detector.
const slack = 10
