package evidence_test

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/record"
)

// followed makes an empty ledger and returns how to follow it: next waits for
// what comes, for a second of the bubble's time.
func followed(t *testing.T, dir string, after evidence.Entry) (next func() (evidence.Entry, error, bool)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	pull, stop := iter.Pull2(evidence.Follow(ctx, dir, after))
	t.Cleanup(func() { cancel(); stop() })
	return pull
}

// appendTo appends to a segment.
func appendTo(t testing.TB, dir string, n uint64, data []byte) {
	t.Helper()
	f, err := os.OpenFile(segment.Path(dir, n), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// What is written is followed across segments, however it arrives.
func TestFollow(t *testing.T) {
	envs := ledgertest.Envelopes(t, longLedger(t))
	dir := ledgertest.Dir(t)
	if err := os.MkdirAll(filepath.Join(dir, "segments"), 0o700); err != nil {
		t.Fatal(err)
	}
	const header = 23
	frame := func(i int) []byte { return segmenttest.File(envs[i])[header:] }
	appendTo(t, dir, 1, segmenttest.File(envs[0]))
	synctest.Test(t, func(t *testing.T) {
		next := followed(t, dir, evidence.Entry{})
		want := func(what string, i int) (e evidence.Entry) {
			t.Helper()
			e, err, ok := next()
			if !ok || err != nil || string(e.Envelope) != string(envs[i]) || e.Record == nil {
				t.Fatalf("%s: got %+v, %v, %v, want record %d", what, e, err, ok, i)
			}
			return e
		}
		want("what is there", 0)
		later := func(do ...func()) {
			go func() {
				for _, do := range do {
					time.Sleep(time.Second)
					do()
				}
			}()
		}
		later(func() { appendTo(t, dir, 1, frame(1)) })
		want("what comes", 1)
		half := frame(2)
		later(
			func() { appendTo(t, dir, 1, half[:3]) },
			func() { appendTo(t, dir, 1, half[3:100]) },
			func() { appendTo(t, dir, 1, half[100:]) },
		)
		want("what comes in parts", 2)
		later(
			func() { appendTo(t, dir, 1, frame(3)) },
			func() { appendTo(t, dir, 2, []byte("safecon")) },
			func() { appendTo(t, dir, 2, segmenttest.File(envs[4])[7:]) },
		)
		want("before the rotation", 3)
		at := want("after the rotation", 4)
		if at.Segment != 2 || at.Offset != header {
			t.Errorf("got segment %d, offset %d, want the beginning of segment 2", at.Segment, at.Offset)
		}
		// Half a frame that another segment follows stays one.
		later(func() { appendTo(t, dir, 2, half[:90]); appendTo(t, dir, 3, segmenttest.File(envs[5])) })
		if e, err, ok := next(); !ok || err == nil || e.Record != nil || e.Segment != 2 || !strings.Contains(err.Error(), "truncated") {
			t.Errorf("half a frame: got %+v, %v, %v", e, err, ok)
		}
		want("after half a frame", 5)

		again := followed(t, dir, at)
		if e, err, ok := again(); !ok || err == nil || e.Segment != 2 {
			t.Errorf("from the middle: got %+v, %v, %v", e, err, ok)
		}
		if e, err, ok := again(); !ok || err != nil || e.Segment != 3 {
			t.Errorf("from the middle: got %+v, %v, %v", e, err, ok)
		}
	})
}

// What a Recorder writes is followed.
func TestFollowARecorder(t *testing.T) {
	dir := ledgertest.Dir(t)
	r := openOn(t, dir, evidence.Config{}, evidence.Disk{Segment: 20_000})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() {
		for range 20 {
			_ = agent(ctx, r)
		}
		_ = r.Close(ctx)
	}()
	ends, seq := 0, uint64(0)
	for e, err := range evidence.Follow(ctx, dir, evidence.Entry{}) {
		if err != nil {
			t.Fatal(err)
		}
		if seq++; e.Record.Seq != seq {
			t.Fatalf("got record %d, want %d", e.Record.Seq, seq)
		}
		if e.Record.Kind == record.KindEnd {
			if ends++; ends == 20 {
				break
			}
		}
	}
	if ends != 20 {
		t.Errorf("got %d ends of runs, want 20", ends)
	}
}

func TestFollowEnds(t *testing.T) {
	dir := longLedger(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for _, err := range evidence.Follow(ctx, dir, evidence.Entry{}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 10 {
			cancel()
		}
	}
	if n != 10 {
		t.Errorf("got %d records after the end, want none", n-10)
	}
	for name, tt := range map[string]struct {
		dir  string
		want error
	}{
		"no directory": {filepath.Join(dir, "missing"), fs.ErrNotExist},
		"not a ledger": {t.TempDir(), evidence.ErrNotLedger},
	} {
		got := error(nil)
		for e, err := range evidence.Follow(t.Context(), tt.dir, evidence.Entry{}) {
			if got = err; e.Segment != 0 {
				t.Errorf("%s: got %+v", name, e)
			}
		}
		if !errors.Is(got, tt.want) {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}

// However a frame arrives, and whenever the file gets longer while it is read,
// there is no false alarm and no record is missed.
func TestFollowWhatIsBeingWritten(t *testing.T) {
	frames := 200_000
	if testing.Short() || raceEnabled {
		frames = 10_000
	}
	const header, round = 23, 2_000
	var data [][]byte
	for _, env := range ledgertest.Envelopes(t, longLedger(t)) {
		data = append(data, segmenttest.File(env)[header:])
	}
	for from := 0; from < frames; from += round { // each in a file of its own: 200,000 in one are 260 MB
		dir := ledgertest.Dir(t)
		if err := os.MkdirAll(filepath.Join(dir, "segments"), 0o700); err != nil {
			t.Fatal(err)
		}
		appendTo(t, dir, 1, segmenttest.File())
		file, err := os.OpenFile(segment.Path(dir, 1), os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		written, half := 0, []byte(nil)
		grow := func() {
			next := half
			switch {
			case half != nil:
				half, written = nil, written+1
			case written < round:
				frame := data[(from+written)%len(data)]
				cut := 1 + (from+written)%(len(frame)-1)
				next, half = frame[:cut], frame[cut:]
			}
			if _, err := file.Write(next); err != nil {
				t.Fatal(err)
			}
		}
		seen := 0
		err = evidence.Looks(t.Context(), dir, grow, func(e evidence.Entry, err error) bool {
			if err != nil || string(segmenttest.File(e.Envelope)[header:]) != string(data[(from+seen)%len(data)]) {
				t.Fatalf("record %d: got %+v, %v", from+seen, e, err)
			}
			seen++
			return seen < round
		})
		if err := errors.Join(err, file.Close(), os.RemoveAll(dir)); err != nil {
			t.Fatal(err)
		}
	}
}

// A frame that the writer cuts off and writes again is read again before it is
// called bad, and one that stays bad is told of.
func TestFollowReadsAgainWhatIsBad(t *testing.T) {
	envs := ledgertest.Envelopes(t, longLedger(t))
	dir := ledgertest.Dir(t)
	if err := os.MkdirAll(filepath.Join(dir, "segments"), 0o700); err != nil {
		t.Fatal(err)
	}
	const header = 23
	appendTo(t, dir, 1, segmenttest.File(envs[:3]...))
	at := int64(header + len(segmenttest.File(envs[0])) - header + 20)
	synctest.Test(t, func(t *testing.T) {
		ledgertest.Flip(t, segment.Path(dir, 1), at, 1) // as if half of it were there
		next := followed(t, dir, evidence.Entry{})
		if _, err, ok := next(); !ok || err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(100*time.Millisecond, func() { ledgertest.Flip(t, segment.Path(dir, 1), at, 1) })
		e, err, ok := next()
		if !ok || err != nil || string(e.Envelope) != string(envs[1]) {
			t.Fatalf("got %+v, %v, want the record as it was written in the end", e, err)
		}
	})
	ledgertest.Flip(t, segment.Path(dir, 1), at, 1)
	synctest.Test(t, func(t *testing.T) {
		next := followed(t, dir, evidence.Entry{})
		for i, good := range []bool{true, false, true} {
			if e, err, ok := next(); !ok || good != (err == nil) || good && string(e.Envelope) != string(envs[i]) {
				t.Errorf("record %d: got %+v, %v", i, e, err)
			}
		}
	})
}
