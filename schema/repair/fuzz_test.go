package repair_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/schema"
	"example.com/safeconduct/schema/repair"
)

// Extract returns strict JSON or says why not, and changes nothing.
func FuzzExtract(f *testing.F) {
	for _, text := range jsontest.Sayings() {
		f.Add([]byte(text))
	}
	all := schema.MustCompile("any", `true`)
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		began := time.Now()
		got, err := repair.Extract(text)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("took %v", took)
		}
		if !bytes.Equal(text, before) {
			t.Error("got the text changed")
		}
		if err != nil {
			if why := whys(err); got != nil || why != 1 || len(err.Error()) > 200 {
				t.Errorf("got %s, %v, want one of the errors alone", got, err)
			}
			return
		}
		if err := all.Validate(got); err != nil {
			t.Errorf("got %s, and Validate says %v", got, err)
		}
		if !bytes.Contains(text, got) && !bytes.Contains(text, []byte(`\`)) {
			t.Errorf("got %s, want a part of the text", got)
		}
	})
}

// Repair returns strict JSON that needs no repair, or says why not.
func FuzzRepair(f *testing.F) {
	for _, text := range jsontest.Sayings() {
		f.Add([]byte(text))
	}
	all := schema.MustCompile("any", `true`)
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		began := time.Now()
		got, changes, err := repair.Repair(text)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("took %v", took)
		}
		if !bytes.Equal(text, before) {
			t.Error("got the text changed")
		}
		if err != nil {
			if got != nil || changes != nil || whys(err) != 1 || len(err.Error()) > 200 {
				t.Errorf("got %s, %s, %v, want one of the errors alone", got, changes, err)
			}
			return
		}
		if err := all.Validate(got); err != nil {
			t.Errorf("got %s, and Validate says %v", got, err)
		}
		if value, err := repair.Extract(text); len(changes) == 0 && (err != nil || !bytes.Equal(value, got)) {
			t.Errorf("got %s without changes, want what Extract finds: %s, %v", got, value, err)
		}
		for _, c := range changes {
			if c.Times < 1 || c.Offset < 0 || c.Offset > len(text) {
				t.Errorf("got the change %v, want it in the text", c)
			}
		}
		if again, more, err := repair.Repair(got); err != nil || len(more) > 0 || !bytes.Equal(again, got) && !bytes.Contains(got, []byte(`__arg1`)) {
			t.Errorf("got %s, of which comes %s, %s, %v", got, again, more, err)
		}
	})
}

// whys returns how many of the reasons for no JSON the error wraps.
func whys(err error) int {
	n := 0
	for _, why := range []error{repair.ErrNoJSON, repair.ErrBroken, repair.ErrAmbiguous} {
		if errors.Is(err, why) {
			n++
		}
	}
	return n
}
