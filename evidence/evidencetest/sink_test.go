package evidencetest_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/evidencetest"
	"example.com/safeconduct/evidence/record"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A table is a store in memory.
type table struct {
	mu    sync.Mutex
	rows  [][]byte
	ids   map[string]bool
	room  int // rows until it fails; negative if it does not
	stuck chan struct{}
}

func newTable() *table { return &table{ids: make(map[string]bool), room: -1} }

func (s *table) all() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.rows)
}

func (s *table) fail(n int) {
	s.mu.Lock()
	s.room = n
	s.mu.Unlock()
}

func (s *table) hang() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := make(chan struct{})
	s.stuck = c
	return func() {
		s.mu.Lock()
		s.stuck = nil
		s.mu.Unlock()
		close(c)
	}
}

var errFull = errors.New("the table is full")

// insert adds a row unless its id is there.
func (s *table) insert(id string, row []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id != "" && s.ids[id] {
		return nil
	}
	if s.room == 0 {
		return errFull
	}
	if s.room > 0 {
		s.room--
	}
	s.ids[id] = true
	s.rows = append(s.rows, row)
	return nil
}

func (s *table) wait(ctx context.Context) error {
	s.mu.Lock()
	stuck := s.stuck
	s.mu.Unlock()
	if stuck != nil {
		select {
		case <-stuck:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// insertAll is a sink that keeps the rules.
func (s *table) insertAll(ctx context.Context, envelopes [][]byte) error {
	if err := s.wait(ctx); err != nil {
		return err
	}
	for i, env := range envelopes {
		r, err := record.Parse(env)
		if err == nil {
			err = s.insert(r.ID, bytes.Clone(env))
		}
		if err != nil {
			return &evidence.SinkError{Err: err, Accepted: i}
		}
	}
	return nil
}

func (s *table) subject(sink evidence.Sink) evidencetest.Subject {
	return evidencetest.Subject{Sink: sink, Stored: s.all, Break: s.fail, Hang: s.hang, Reopen: func() evidence.Sink { return sink }}
}

func TestSinkThatKeepsTheRules(t *testing.T) {
	for _, unordered := range []bool{false, true} {
		t.Run(fmt.Sprint("unordered ", unordered), func(t *testing.T) {
			evidencetest.TestSink(t, func(t *testing.T, root ed25519.PublicKey) evidencetest.Subject {
				if len(root) != ed25519.PublicKeySize {
					t.Errorf("got a root key of %d bytes", len(root))
				}
				s := newTable()
				subject := s.subject(s.insertAll)
				subject.Unordered = unordered
				return subject
			})
		})
	}
}

// Each sink that breaks a rule is found out, by the rule that it breaks.
func TestSinksThatBreakRules(t *testing.T) {
	records, _ := evidencetest.Records(t, 40)
	id := func(env []byte) string {
		r, err := record.Parse(env)
		if err != nil {
			return ""
		}
		return r.ID
	}
	type sinks func(s *table) evidencetest.Subject
	for _, tt := range []struct {
		name string
		make sinks
		want []string // among the rules that it must be found to break
		only bool     // and no others
	}{
		{"keeps the rules", func(s *table) evidencetest.Subject { return s.subject(s.insertAll) }, nil, true},
		{"does nothing", func(s *table) evidencetest.Subject {
			return s.subject(func(context.Context, [][]byte) error { return nil })
		}, []string{"takes", "order", "retry", "restart", "partial", "cancelled", "retention", "hangs"}, true},
		{"puts the newest first", func(s *table) evidencetest.Subject {
			return s.subject(func(ctx context.Context, envelopes [][]byte) error {
				s.mu.Lock()
				n := len(s.rows)
				s.mu.Unlock()
				err := s.insertAll(ctx, envelopes)
				s.mu.Lock()
				defer s.mu.Unlock()
				s.rows = slices.Concat(s.rows[n:], s.rows[:n])
				return err
			})
		}, []string{"order"}, false},
		{"does not recognise what it has", func(s *table) evidencetest.Subject {
			return s.subject(func(ctx context.Context, envelopes [][]byte) error {
				if err := s.wait(ctx); err != nil {
					return err
				}
				for i, env := range envelopes {
					if err := s.insert("", bytes.Clone(env)); err != nil {
						return &evidence.SinkError{Err: err, Accepted: i}
					}
				}
				return nil
			})
		}, []string{"retry", "restart"}, true},
		{"recognises what it has by the batch", func(s *table) evidencetest.Subject {
			return s.subject(func(ctx context.Context, envelopes [][]byte) error {
				if err := s.wait(ctx); err != nil {
					return err
				}
				if s.ids[id(envelopes[0])] {
					return nil
				}
				return s.insertAll(ctx, envelopes)
			})
		}, []string{"retry", "restart"}, true},
		{"forgets at a restart", func(s *table) evidencetest.Subject {
			subject := s.subject(s.insertAll)
			subject.Reopen = func() evidence.Sink {
				clear(s.ids)
				return s.insertAll
			}
			return subject
		}, []string{"restart"}, true},
		{"says that it took what it did not", func(s *table) evidencetest.Subject {
			return s.subject(func(ctx context.Context, envelopes [][]byte) error {
				err := s.insertAll(ctx, envelopes)
				var e *evidence.SinkError
				if errors.As(err, &e) {
					e.Accepted = len(envelopes)
				}
				return err
			})
		}, []string{"partial"}, true},
		{"says that it took more than there was", func(s *table) evidencetest.Subject {
			return s.subject(func(ctx context.Context, envelopes [][]byte) error {
				err := s.insertAll(ctx, envelopes)
				if err != nil {
					return &evidence.SinkError{Err: err, Accepted: len(envelopes) + 1}
				}
				return nil
			})
		}, []string{"partial"}, true},
		{"says nil though the store failed", func(s *table) evidencetest.Subject {
			return s.subject(func(ctx context.Context, envelopes [][]byte) error {
				_ = s.insertAll(ctx, envelopes)
				return nil
			})
		}, []string{"partial", "cancelled", "hangs"}, true},
		{"does not look at its context", func(s *table) evidencetest.Subject {
			return s.subject(func(_ context.Context, envelopes [][]byte) error {
				return s.insertAll(context.Background(), envelopes)
			})
		}, []string{"hangs"}, true},
		{"keeps the envelopes", func(s *table) evidencetest.Subject {
			return s.subject(func(ctx context.Context, envelopes [][]byte) error {
				if err := s.wait(ctx); err != nil {
					return err
				}
				for i, env := range envelopes {
					if err := s.insert(id(env), env); err != nil {
						return &evidence.SinkError{Err: err, Accepted: i}
					}
				}
				return nil
			})
		}, []string{"retention"}, true},
		{"sorts the envelopes", func(s *table) evidencetest.Subject {
			return s.subject(func(ctx context.Context, envelopes [][]byte) error {
				slices.SortFunc(envelopes, func(a, b []byte) int { return -bytes.Compare(a, b) })
				return s.insertAll(ctx, envelopes)
			})
		}, []string{"takes", "modification"}, false},
		{"adds a newline", func(s *table) evidencetest.Subject {
			return s.subject(func(ctx context.Context, envelopes [][]byte) error {
				lines := make([][]byte, len(envelopes))
				for i, env := range envelopes {
					lines[i] = bytes.Clone(env)
				}
				if err := s.insertAll(ctx, lines); err != nil {
					return err
				}
				s.rows[len(s.rows)-1] = append(s.rows[len(s.rows)-1], '\n')
				return nil
			})
		}, []string{"takes"}, false},
		{"works in the caller's memory", func(s *table) evidencetest.Subject {
			return s.subject(func(ctx context.Context, envelopes [][]byte) error {
				err := s.insertAll(ctx, envelopes)
				envelopes[0][0] = '['
				return err
			})
		}, []string{"modification"}, true},
		{"loses one of two calls that overlap", func(s *table) evidencetest.Subject {
			var busy sync.Mutex
			subject := s.subject(func(ctx context.Context, envelopes [][]byte) error {
				if !busy.TryLock() {
					return nil
				}
				defer busy.Unlock()
				time.Sleep(10 * time.Millisecond)
				return s.insertAll(ctx, envelopes)
			})
			subject.Unordered = true
			return subject
		}, []string{"overlap"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, tried := evidencetest.Broken(func() evidencetest.Subject { return tt.make(newTable()) }, records)
			for _, name := range tt.want {
				if got[name] == "" {
					t.Errorf("is not found to break %q", name)
				}
			}
			for name, why := range got {
				if tt.only && !slices.Contains(tt.want, name) {
					t.Errorf("is found to break %q: %s", name, why)
				}
				if strings.TrimSpace(why) == "" {
					t.Errorf("%q: no explanation", name)
				}
			}
			if tried < evidencetest.Rules-1 {
				t.Errorf("tried %d rules of %d", tried, evidencetest.Rules)
			}
			t.Log(slices.Sorted(maps.Keys(got)))
		})
	}
}

// What a Subject has nothing for is skipped, and a Subject without a sink is a
// mistake of the test's.
func TestSubject(t *testing.T) {
	evidencetest.TestSink(t, func(*testing.T, ed25519.PublicKey) evidencetest.Subject {
		s := newTable()
		return evidencetest.Subject{Sink: s.insertAll, Stored: s.all}
	})
	for want, f := range map[string]func(){
		"evidencetest: Records: fewer than one": func() { evidencetest.Records(t, 0) },
		"evidencetest: NewServer: nil handler":  func() { evidencetest.NewServer(t, nil) },
	} {
		func() {
			defer func() {
				if v := recover(); v != want {
					t.Errorf("got panic %v, want %q", v, want)
				}
			}()
			f()
		}()
	}
}

func TestRecords(t *testing.T) {
	records, root := evidencetest.Records(t, 5)
	if len(records) != 5 || len(root) != ed25519.PublicKeySize {
		t.Fatalf("got %d records and a key of %d bytes", len(records), len(root))
	}
	for i, env := range records {
		r, err := record.Parse(env)
		if err != nil {
			t.Fatal(err)
		}
		want := record.KindErased
		if i == 0 {
			want = record.KindSession
		}
		if r.Kind != want || r.Seq != uint64(i+1) || r.Ledger != "evidencetest" {
			t.Errorf("record %d: got %s, seq %d, ledger %s", i+1, r.Kind, r.Seq, r.Ledger)
		}
	}
}
