package evidence_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/middleware"
)

// A platter is what a power cut leaves of a directory: of each file what was
// synced of it, under the name that was. Everything else never happened.
type platter struct {
	root string

	mu      sync.Mutex
	n, cut  int               // operations so far; the one at which the power fails
	content map[string][]byte // by current path: as last synced; nil where it never was
	names   map[string]string // by durable path: the current path of what is there
}

var errPower = errors.New("no power")

func (p *platter) do(op segmenttest.Op) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n++; p.n >= p.cut {
		if p.n == p.cut && op.Part != nil {
			_ = op.Part(len(op.Bytes) / 2)
		}
		return errPower
	}
	if err := op.Do(); err != nil {
		return err
	}
	switch op.Name {
	case "create":
		p.content[op.Path] = nil
	case "rename":
		p.content[op.To] = p.content[op.Path]
		delete(p.content, op.Path)
		for durable, now := range p.names {
			if now == op.Path {
				p.names[durable] = op.To
			}
		}
	case "remove":
		delete(p.content, op.Path)
	case "sync":
		b, err := os.ReadFile(op.Path)
		p.content[op.Path] = b
		return err
	case "syncDir":
		maps.DeleteFunc(p.names, func(durable, _ string) bool { return filepath.Dir(durable) == op.Path })
		for path := range p.content {
			if filepath.Dir(path) == op.Path {
				p.names[path] = path
			}
		}
	}
	return nil
}

// leave writes to dir what the power cut left. Of what was never synced, tail
// says how much is there all the same, as zeros or as it was.
func (p *platter) leave(t *testing.T, dir string, tail string) {
	t.Helper()
	if err := os.CopyFS(dir, os.DirFS(p.root)); err != nil { // the lock, the tiles
		t.Fatal(err)
	}
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && filepath.Dir(path) != filepath.Join(dir, "tile", "0") {
			_ = os.Remove(path)
		}
		return err
	})
	for durable, now := range p.names {
		b := p.content[now]
		if there, err := os.ReadFile(now); err == nil && len(there) > len(b) && string(there[:len(b)]) == string(b) {
			switch tail {
			case "zeros":
				b = append(b[:len(b):len(b)], make([]byte, len(there)-len(b))...)
			case "half":
				b = there[:len(b)+(len(there)-len(b))/2]
			}
		}
		rel, err := filepath.Rel(p.root, durable)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, rel), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// The power fails at each operation on the disk. Whatever the system had
// not written by itself, what was acknowledged is there at the next start.
func TestPowerFails(t *testing.T) {
	for _, signing := range signings {
		t.Run(string(signing), func(t *testing.T) {
			t.Parallel()
			powerFails(t, signing)
		})
	}
}

func powerFails(t *testing.T, signing record.Signing) {
	cuts := 0
	for n := 1; ; n++ {
		p := &platter{root: ledgertest.Dir(t), cut: n, content: make(map[string][]byte), names: make(map[string]string)}
		cfg := evidence.Config{Key: ledgertest.Key(1), Ledger: "power", Signing: signing}
		var c crashed
		r, err := evidence.OpenOn(p.root, cfg, evidence.Disk{Do: p.do, Segment: 6 << 10})
		if err == nil {
			for range 6 {
				_, _ = call(t, r, shell, func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
					c.reached = append(c.reached, fmt.Sprintf("%s %d", middleware.RunOf(ctx).ID, call.ID))
					return middleware.Result{Output: "ok"}, nil
				})
			}
			err = r.Close(t.Context())
		}
		if err == nil {
			break // it did not come to that
		}
		cuts++
		for _, tail := range []string{"", "zeros", "half"} {
			left := ledgertest.Dir(t)
			p.leave(t, left, tail)
			wantRecovered(t, left, c, evidence.Config{Signing: signing})
			if t.Failed() {
				t.Fatalf("the power failed at operation %d, tail %q", n, tail)
			}
		}
	}
	if cuts < 20 {
		t.Errorf("the power failed %d times only", cuts)
	}
}
