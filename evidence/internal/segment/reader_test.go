package segment_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/segmenttest"
)

// Bytes that look like the beginnings of many long frames take about as long to read
// as frames do.
func TestManyBeginningsOfFramesAreReadInLinearTime(t *testing.T) {
	const size = 2 << 20
	read := func(segment []byte) time.Duration {
		best := time.Hour
		for range 3 {
			began := time.Now()
			if _, _, err := read(bytes.NewReader(segment)); err != nil {
				t.Fatal(err)
			}
			best = min(best, time.Since(began))
		}
		return best
	}
	env := entry()
	var honest [][]byte
	for n := 0; n < size; n += len(env) {
		honest = append(honest, env)
	}
	want := read(segmenttest.File(honest...))
	for _, length := range []string{"\x00\x00\xff\xff", "\x00\x00\x80\x00", "\x00\x00\x08\x00"} {
		unit := length + "sums" + `{"payload":"`
		crafted := append(segmenttest.File(), bytes.Repeat([]byte(unit), size/len(unit))...)
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
	env := entry()
	good, zeros := string(segmenttest.File(env)), strings.Repeat("\x00", 40)
	for name, tt := range map[string]struct {
		segment string
		want    []string
	}{
		"nothing":               {good, nil},
		"zeros":                 {good + zeros, []string{"torn"}},
		"one zero":              {good + "\x00", []string{"torn"}},
		"half a frame":          {good[:len(good)-1], []string{"torn"}},
		"text":                  {good + "this is no frame", []string{"edited"}},
		"zeros, and text":       {good + zeros + "text", []string{"edited"}},
		"text, and zeros":       {good + "this is no frame" + zeros, []string{"torn"}},
		"zeros within":          {good + zeros + good[len(segmenttest.File()):], []string{"edited"}},
		"all zeros":             {zeros, []string{"torn"}},
		"zeros, and text alone": {zeros + "text", []string{"edited"}},
		"text, and zeros alone": {"this is no segment" + zeros, []string{"edited"}},
		"half a first line":     {good[:5], []string{"torn"}},
		"an edited byte":        {good[:len(good)-9] + "#" + good[len(good)-8:], []string{"edited"}},
	} {
		got, err := damages(strings.NewReader(tt.segment))
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, tt.want)
		}
	}
}

// Memory does not grow with what a segment claims.
func TestReadAnything(t *testing.T) {
	for _, b := range [][]byte{
		nil, []byte("s"), bytes.Repeat([]byte{0xff}, 1<<20), make([]byte, 1<<20),
		append(segmenttest.File(), bytes.Repeat([]byte(`{"payload":"`), 1<<16)...),
		append(segmenttest.File([]byte("x")), bytes.Repeat([]byte{0, 0, 0, 9}, 1<<16)...),
	} {
		if good, bad, err := read(bytes.NewReader(b)); err != nil || good > 1 || bad == 0 {
			t.Errorf("%.20q: got %d good, %d bad, %v", b, good, bad, err)
		}
	}
}

// What was read back is checked, frame by frame.
func TestEachFrame(t *testing.T) {
	frames := segment.AppendFrame(segment.AppendFrame(nil, []byte("one")), []byte("two"))
	var got []string
	visit := func(entry []byte) { got = append(got, string(entry)) }
	if err := segment.EachFrame(frames, visit); err != nil || !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("got %q, %v", got, err)
	}
	if first, rest := segment.SplitFrame(frames); string(first) != "one" || len(rest) != segment.FrameHeader+3 {
		t.Errorf("got %q, and %d bytes after it", first, len(rest))
	}
	edited := bytes.Clone(frames)
	edited[segment.FrameHeader] ^= 1
	for name, bad := range map[string][]byte{"edited": edited, "cut": frames[:len(frames)-1], "cut in a header": frames[:5]} {
		if err := segment.EachFrame(bad, visit); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

// A frame of the longest entry is one, and of a longer one is none.
func TestEntriesAreBounded(t *testing.T) {
	longest := append([]byte(segment.Begins), bytes.Repeat([]byte("x"), segment.MaxEntry-len(segment.Begins))...)
	for n, want := range map[int]int{segment.MaxEntry: 2, segment.MaxEntry + 1: 1} {
		good, _, err := read(bytes.NewReader(segmenttest.File(append(longest, 'x')[:n], entry())))
		if err != nil || good != want {
			t.Errorf("%d bytes: got %d good frames, %v, want %d", n, good, err, want)
		}
	}
}

// entry returns one as long as that of a record.
func entry() []byte {
	return []byte(segment.Begins + strings.Repeat("QUJD", 300) + `","payloadType":"application/x","signatures":[]}`)
}

// read reads a segment to its end and returns how many frames are good and how
// many are not.
func read(r io.Reader) (good, bad int, err error) {
	all, good, err := readAll(r)
	return good, len(all), err
}

// damages returns what is wrong with the frames of a segment.
func damages(r io.Reader) (all []string, err error) {
	all, _, err = readAll(r)
	return all, err
}

func readAll(r io.Reader) (bad []string, good int, err error) {
	fr, err := segment.NewReader(r)
	for first := true; ; first = false {
		var e *segment.FrameError
		switch {
		case errors.As(err, &e) && e.Torn:
			bad = append(bad, "torn")
		case errors.As(err, &e):
			bad = append(bad, "edited")
		case errors.Is(err, io.EOF):
			return bad, good, nil
		case err != nil:
			return bad, good, err
		case !first:
			good++
		}
		var got []byte
		if got, _, err = fr.Next(); err == nil && (len(got) == 0 || len(got) > segment.MaxEntry) {
			panic("an entry out of bounds")
		}
	}
}
