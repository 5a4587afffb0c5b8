package evidence_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
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

// Zeros at the end are what a file system leaves of a frame that was not written;
// anything else that is no frame was put there.
func TestATailOfZerosIsNoEdit(t *testing.T) {
	env := base(t).envs[1]
	good, zeros := string(evidence.Segment(env)), strings.Repeat("\x00", 40)
	for name, tt := range map[string]struct {
		segment string
		want    []record.Damage
	}{
		"nothing":               {good, nil},
		"zeros":                 {good + zeros, []record.Damage{record.DamageTruncated}},
		"one zero":              {good + "\x00", []record.Damage{record.DamageTruncated}},
		"half a frame":          {good[:len(good)-1], []record.Damage{record.DamageTruncated}},
		"text":                  {good + "this is no frame", []record.Damage{record.DamageEdited}},
		"zeros, and text":       {good + zeros + "text", []record.Damage{record.DamageEdited}},
		"text, and zeros":       {good + "this is no frame" + zeros, []record.Damage{record.DamageTruncated}},
		"zeros within":          {good + zeros + good[len(evidence.Segment()):], []record.Damage{record.DamageEdited}},
		"all zeros":             {zeros, []record.Damage{record.DamageTruncated}},
		"zeros, and text alone": {zeros + "text", []record.Damage{record.DamageEdited}},
		"text, and zeros alone": {"this is no segment" + zeros, []record.Damage{record.DamageEdited}},
		"half a first line":     {good[:5], []record.Damage{record.DamageTruncated}},
		"an edited byte":        {good[:len(good)-9] + "#" + good[len(good)-8:], []record.Damage{record.DamageEdited}},
	} {
		got, err := evidence.FrameDamages(strings.NewReader(tt.segment))
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, tt.want)
		}
	}
}
