package evidence_test

import (
	"bytes"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
)

// Bytes that look like the beginnings of many long frames take about as long to read
// as frames do.
func TestManyBeginningsOfFramesAreReadInLinearTime(t *testing.T) {
	const size = 2 << 20
	read := func(segment []byte) time.Duration {
		best := time.Hour
		for range 3 {
			began := time.Now()
			if _, _, err := evidence.ReadFrames(bytes.NewReader(segment)); err != nil {
				t.Fatal(err)
			}
			best = min(best, time.Since(began))
		}
		return best
	}
	env := base(t).envs[1]
	var honest [][]byte
	for n := 0; n < size; n += len(env) {
		honest = append(honest, env)
	}
	want := read(evidence.Segment(honest...))
	for _, length := range []string{"\x00\x00\xff\xff", "\x00\x00\x80\x00", "\x00\x00\x08\x00"} {
		unit := length + "sums" + `{"payload":"`
		crafted := append(evidence.Segment(), bytes.Repeat([]byte(unit), size/len(unit))...)
		if got := read(crafted); got > 500*want {
			t.Errorf("length %x: got %v, want about the %v of %d bytes of frames", length, got, want, size)
		} else {
			t.Logf("length %x: %v, frames %v", length, got, want)
		}
	}
}
