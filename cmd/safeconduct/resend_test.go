package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/trust"
)

// A resend is taken up by the agent that opens the ledger next, and one of what is
// not there says what to look at.
func TestResend(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ledger")
	key, err := trust.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	ship := func(fail error) (records int) {
		t.Helper()
		r, err := evidence.Open(dir,
			evidence.Config{Key: key, Exporters: []evidence.Exporter{{Name: "copy", Sink: func(_ context.Context, envs [][]byte) error {
				records += len(envs)
				return fail
			}}}})
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Close(t.Context()) // what was refused it says
		return records
	}
	ship(&evidence.SinkError{Err: errors.New("no"), Final: true})
	if n := ship(nil); n != 1 && n != 2 { // its own session, and that the first was refused
		t.Errorf("got %d records, want those since", n)
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"resend", dir, "copy"}, 0, "It sends all records again"},
		{[]string{"resend", dir, "copies"}, 2, "check the path, and the name of the exporter"},
		{[]string{"resend", dir + "x", "copy"}, 2, "check the path"},
		{[]string{"resend", dir}, 2, "no EXPORTER given"},
		{[]string{"resend", dir, "../copy"}, 2, "an exporter cannot be called"},
	} {
		var out strings.Builder
		if code := run(t.Context(), tt.args, &out, &out); code != tt.code || !strings.Contains(out.String(), tt.want) {
			t.Errorf("%q: got %d, %s", tt.args, code, out.String())
		}
	}
	if n := ship(nil); n < 4 {
		t.Errorf("got %d records, want all", n)
	}
	if files, err := os.ReadDir(filepath.Join(dir, "exporters")); err != nil || len(files) != 1 {
		t.Errorf("got %v, %v, want the cursor alone", files, err)
	}
}
