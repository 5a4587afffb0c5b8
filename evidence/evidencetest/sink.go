package evidencetest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
)

// A Subject is a sink to be tested, over an empty store.
type Subject struct {
	// Sink is the sink.
	Sink evidence.Sink

	// Stored returns the envelopes that the store holds, as a reader of it finds
	// them, in their order. It is called while no call of the sink is under way,
	// but those that were given up.
	Stored func() [][]byte

	// Break has the store take n more envelopes, or about as many where it takes
	// several at a time, and then fail; a negative n mends it. If it is nil,
	// nothing is tried with a store that fails.
	Break func(n int)

	// Hang has calls of the sink wait for something that does not come, until
	// release is called. If it is nil, nothing is tried with one that hangs.
	Hang func() (release func())

	// Reopen returns a sink over the same store, as another process would open it;
	// the first is not used any more. If it is nil, no restart is tried.
	Reopen func() evidence.Sink

	// Unordered says that the sink is for an Exporter with that set: calls of
	// it overlap, and the order in the store does not matter.
	Unordered bool
}

// patience is how long a sink may go on after its context has ended.
const patience = 2 * time.Second

// A rule is something that each sink must do.
type rule struct {
	name  string
	check func(s *Subject, records [][]byte) error
	text  string
}

// TestSink checks in subtests that a sink keeps the rules of evidence.Sink. It
// calls make in each of them, with the root key of the records that the sink will
// get. A sink that verifies them should trust it for the ledger "evidencetest".
func TestSink(t *testing.T, make func(t *testing.T, root ed25519.PublicKey) Subject) {
	t.Helper()
	records, root := Records(t, 40)
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			s := make(t, root)
			if s.Sink == nil || s.Stored == nil {
				panic("evidencetest: TestSink: a Subject without Sink or Stored")
			}
			if err := r.check(&s, records); errors.Is(err, errSkip) {
				t.Skip(err)
			} else if err != nil {
				t.Errorf("%v.\nThe rule: %s", err, r.text)
			}
		})
	}
}

var errSkip = errors.New("the Subject has nothing to try this with")

var rules = []rule{
	{"takes", takes, "a sink that returns nil has taken all envelopes of the call for good, byte for byte."},
	{"order", order, "records that come in order are stored in order."},
	{"retry", retry, "after an error, or a restart of the agent, the same records come again, alone or with others: " +
		"a sink knows by Record.ID what it has."},
	{"restart", restart, "a sink knows what it has after a restart of its own."},
	{"partial", partial, "Taken() of an error says how many envelopes from the front were taken for good, and no more: " +
		"these do not come again."},
	{"cancelled", cancelled, "a sink that returns nil has taken all, also if its context had ended; " +
		"if it returns an error the same records come again."},
	{"hangs", hangs, "a sink returns when its context ends: until then no other call is made."},
	{"retention", retention, "a sink must not keep the envelopes after it returned: their memory is used again."},
	{"modification", modification, "a sink must not modify the envelopes: they are sent again if it fails."},
	{"overlap", overlap, "calls of a sink may overlap where its exporter is Unordered."},
}

// batch is a copy of records, as a sink gets them.
func batch(records [][]byte) [][]byte {
	all := make([][]byte, len(records))
	for i, env := range records {
		all[i] = bytes.Clone(env)
	}
	return all
}

// send gives records to the sink, which must take them.
func (s *Subject) send(records [][]byte) error {
	if err := s.take(batch(records)); err != nil {
		return fmt.Errorf("a call with %d records: %w, want nil", len(records), err)
	}
	return nil
}

// take calls the sink once, which has half a minute.
func (s *Subject) take(envelopes [][]byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return s.Sink(ctx, envelopes)
}

// stored compares the store with the records that it must hold.
func (s *Subject) stored(want [][]byte) error {
	got := s.Stored()
	have := make(map[string]int, len(got))
	for _, env := range got {
		have[string(env)]++
	}
	for i, env := range want {
		switch have[string(env)] {
		case 0:
			return fmt.Errorf("the store lacks record %d of %d, or holds other bytes", i+1, len(want))
		case 1:
		default:
			return fmt.Errorf("the store holds record %d of %d %d times", i+1, len(want), have[string(env)])
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("the store holds %d records, want %d", len(got), len(want))
	}
	for i, env := range want {
		if !s.Unordered && !bytes.Equal(got[i], env) {
			return fmt.Errorf("the store holds record %d at another place", i+1)
		}
	}
	return nil
}

func takes(s *Subject, records [][]byte) error {
	return errors.Join(s.send(records), s.stored(records))
}

func order(s *Subject, records [][]byte) error {
	rest := records
	for _, n := range []int{1, 2, 5, 1, len(records) - 9} {
		if err := s.send(rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return s.stored(records)
}

func retry(s *Subject, records [][]byte) error {
	for _, part := range [][][]byte{records[:5], records[:5], records[3:9], records[:20], records, records} {
		if err := s.send(part); err != nil {
			return err
		}
	}
	return s.stored(records)
}

func restart(s *Subject, records [][]byte) error {
	if s.Reopen == nil {
		return errSkip
	}
	if err := s.send(records[:20]); err != nil {
		return err
	}
	s.Sink = s.Reopen()
	return errors.Join(s.send(records[10:]), s.stored(records))
}

func partial(s *Subject, records [][]byte) error {
	if s.Break == nil {
		return errSkip
	}
	rest := records
	for _, n := range []int{0, 1, 7, 0, 3} {
		s.Break(n)
		err := s.take(batch(rest))
		if err == nil {
			return fmt.Errorf("a call with %d records, of which the store takes %d: got nil, want an error", len(rest), n)
		}
		taken := 0
		var e interface{ Taken() int }
		if errors.As(err, &e) {
			taken = e.Taken()
		}
		if taken < 0 || taken > len(rest) {
			return fmt.Errorf("of %d records the error says that %d were taken", len(rest), taken)
		}
		have := make(map[string]bool)
		for _, env := range s.Stored() {
			have[string(env)] = true
		}
		for i, env := range rest[:taken] {
			if !have[string(env)] {
				return fmt.Errorf("the error says that %d records were taken, and the store lacks number %d of them", taken, i+1)
			}
		}
		rest = rest[taken:]
	}
	s.Break(-1)
	return errors.Join(s.send(rest), s.stored(records))
}

func cancelled(s *Subject, records [][]byte) error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err, returned := s.call(ctx, records[:10])
	if !returned {
		return fmt.Errorf("the sink has not returned %v after its context ended", patience)
	}
	if err == nil {
		if err := s.stored(records[:10]); err != nil {
			return fmt.Errorf("the sink returned nil, and %w", err)
		}
	}
	return errors.Join(s.send(records), s.stored(records))
}

// call calls the sink, and reports whether it returned soon after ctx ended.
func (s *Subject) call(ctx context.Context, records [][]byte) (err error, returned bool) {
	done := make(chan error, 1)
	sink := s.Sink
	go func() { done <- sink(ctx, batch(records)) }()
	<-ctx.Done()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err := <-done:
		return err, true
	case <-timer.C:
		return nil, false
	}
}

func hangs(s *Subject, records [][]byte) error {
	if s.Hang == nil {
		return errSkip
	}
	release := s.Hang()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	err, returned := s.call(ctx, records[:10])
	release()
	switch {
	case !returned:
		return fmt.Errorf("the sink has not returned %v after its context ended", patience)
	case err == nil:
		return errors.New("a call that hung came to nil, want an error")
	}
	return errors.Join(s.send(records), s.stored(records))
}

func retention(s *Subject, records [][]byte) error {
	for part := range 4 {
		envelopes := batch(records[10*part : 10*part+10])
		if err := s.take(envelopes); err != nil {
			return fmt.Errorf("a call with 10 records: %w, want nil", err)
		}
		for i := range envelopes {
			for k := range envelopes[i] {
				envelopes[i][k] = 'x'
			}
			envelopes[i] = nil
		}
	}
	return s.stored(records)
}

func modification(s *Subject, records [][]byte) error {
	envelopes := batch(records)
	if err := s.take(envelopes); err != nil {
		return fmt.Errorf("a call with %d records: %w, want nil", len(records), err)
	}
	for i, env := range envelopes {
		if !bytes.Equal(env, records[i]) {
			return fmt.Errorf("the sink changed record %d of the call", i+1)
		}
	}
	return nil
}

func overlap(s *Subject, records [][]byte) error {
	if !s.Unordered {
		return errSkip
	}
	var all sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		all.Go(func() { // each part twice, as after a call that was given up
			part := i / 2
			errs[i] = s.send(records[10*part : 10*part+10])
		})
	}
	all.Wait()
	return errors.Join(append(errs, s.stored(records))...)
}
