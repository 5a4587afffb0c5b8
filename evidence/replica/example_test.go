package replica_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/replica"
	"example.com/safeconduct/evidence/trust"
	"example.com/safeconduct/middleware"
)

// A copy of a ledger is kept where the agent cannot change it. It takes records as
// they come, and what comes twice once.
func ExampleOpen() {
	tmp, err := os.MkdirTemp("", "replica")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(tmp)
	recorder, err := evidence.Open(filepath.Join(tmp, "ledger"), evidence.Config{Ledger: "prod"})
	if err != nil {
		panic(err)
	}
	if err := recorder.Close(context.Background()); err != nil {
		panic(err)
	}

	copied, err := replica.Open(filepath.Join(tmp, "elsewhere"), replica.Config{
		Ledger: "prod",
		Policy: &trust.Policy{Ledgers: []trust.Ledger{
			{Origin: "prod", Roots: []trust.Root{{Key: recorder.PublicKey()}}},
		}},
	})
	if err != nil {
		panic(err)
	}
	defer copied.Close()
	var batch [][]byte
	for entry, err := range evidence.Read(filepath.Join(tmp, "ledger")) {
		if err != nil {
			panic(err)
		}
		batch = append(batch, entry.Envelope)
	}
	for range 2 {
		taken, err := copied.Append(batch)
		_, records := copied.Head()
		fmt.Println("taken:", taken, err, "there:", records)
	}
	if err := copied.PutCheckpoint(recorder.Checkpoint()); err != nil {
		panic(err)
	}
	// Output:
	// taken: 1 <nil> there: 1
	// taken: 1 <nil> there: 1
}

// A copy is kept while the agent works, and verifies as the ledger does.
func ExampleReplica_Take() {
	dir, err := os.MkdirTemp("", "ledger")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	key, err := trust.GenerateKey()
	if err != nil {
		panic(err)
	}
	pub := key.Public().(ed25519.PublicKey)
	policy := &trust.Policy{Ledgers: []trust.Ledger{{Origin: "prod", Roots: []trust.Root{{Key: pub}}}}}
	copied, err := replica.Open(filepath.Join(dir, "copy"), replica.Config{Ledger: "prod", Policy: policy})
	if err != nil {
		panic(err)
	}
	recorder, err := evidence.Open(filepath.Join(dir, "ledger"), evidence.Config{
		Key: key, Ledger: "prod",
		Exporters: []evidence.Exporter{{Name: "copy", Sink: copied.Take}},
	})
	if err != nil {
		panic(err)
	}
	guarded := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{Output: "ok"}, nil
	}, recorder.Intercept)
	if _, err := guarded(context.Background(), middleware.Call{Kind: middleware.KindTool, Name: "shell", Input: "ls"}); err != nil {
		panic(err)
	}
	if err := errors.Join(recorder.Close(context.Background()), copied.Close()); err != nil {
		panic(err)
	}
	report, err := evidence.Verify(filepath.Join(dir, "copy"), evidence.VerifyOptions{Keys: []ed25519.PublicKey{pub}})
	fmt.Println(report.Records, report.Intact(), err)
	// Output: 5 true <nil>
}
