package segment_test

import (
	"bytes"
	"testing"

	"example.com/safeconduct/evidence/internal/segmenttest"
)

func FuzzFrames(f *testing.F) {
	whole := segmenttest.File([]byte(`{"payload":"x"}`), []byte(`{"payload":"y"}`)) // short, for the minimizer's sake
	f.Add(whole)
	f.Add(whole[:len(whole)-5])
	f.Add(append(whole[:30:30], whole[35:]...))
	f.Add(append(bytes.Clone(whole), make([]byte, 10)...))
	f.Add([]byte("safeconduct segment v2\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		good, bad, err := read(bytes.NewReader(b))
		if err != nil {
			return // another version
		}
		if bad == 0 && good > 0 {
			// What is whole is what was written.
			var envs [][]byte
			for rest := b[len(segmenttest.File()):]; len(rest) > 0; {
				n := 8 + int(rest[0])<<24 + int(rest[1])<<16 + int(rest[2])<<8 + int(rest[3])
				envs = append(envs, rest[8:n])
				rest = rest[n:]
			}
			if len(envs) != good || !bytes.Equal(segmenttest.File(envs...), b) {
				t.Errorf("got %d frames of what would be written otherwise", good)
			}
		}
	})
}
