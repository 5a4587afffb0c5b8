package evidence_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/trust"
	"example.com/safeconduct/middleware"
)

// A tool and a gate are wrapped, the recorder outermost, and a call is made. What
// happened can be checked by anyone who has the public key.
func Example() {
	dir, err := os.MkdirTemp("", "ledger")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()

	recorder, err := evidence.Open(dir, evidence.Config{})
	if err != nil {
		panic(err)
	}
	shell := func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{Output: "ok"}, nil
	}
	guarded := middleware.Wrap(shell, recorder.Intercept,
		middleware.Before("no-root", func(_ context.Context, call middleware.Call) error {
			if strings.Contains(call.Input.(string), "sudo") {
				return middleware.Deny(middleware.CodePolicy, "sudo is not for agents")
			}
			return nil
		}),
	)
	for _, command := range []string{"ls", "sudo ls"} {
		_, err := guarded(ctx, middleware.Call{Kind: middleware.KindTool, Name: "shell", Input: command})
		fmt.Println(command, "->", err)
	}
	if err := recorder.Close(ctx); err != nil {
		panic(err)
	}

	report, err := evidence.Verify(dir, evidence.VerifyOptions{Keys: []ed25519.PublicKey{recorder.PublicKey()}})
	if err != nil {
		panic(err)
	}
	fmt.Println("intact:", report.Intact(), "calls:", report.Calls, "done:", report.Done, "denied:", report.Denied)
	// Output:
	// ls -> <nil>
	// sudo ls -> shell: denied by no-root: sudo is not for agents (policy)
	// intact: true calls: 2 done: 1 denied: 1
}

// A ledger that is to be continued needs a key that outlives the process.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "evidence")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()

	key, err := evidence.LoadOrCreateKey(filepath.Join(dir, "agent.key"))
	if err != nil {
		panic(err)
	}
	for range 2 {
		recorder, err := evidence.Open(filepath.Join(dir, "ledger"), evidence.Config{
			Key:      key,
			Ledger:   "billing-agent",
			ReadOnly: []string{"calculator", "search"},
		})
		if err != nil {
			panic(err)
		}
		fmt.Println(recorder.Ledger(), recorder.Stats().Durable)
		if err := recorder.Close(ctx); err != nil {
			panic(err)
		}
	}
	// Output:
	// billing-agent 1
	// billing-agent 1
}

// The first time the key is made, and from then on it is that one.
func ExampleLoadOrCreateKey() {
	dir, err := os.MkdirTemp("", "keys")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "agent.key")

	first, err := evidence.LoadOrCreateKey(path)
	if err != nil {
		panic(err)
	}
	second, err := evidence.LoadOrCreateKey(path)
	if err != nil {
		panic(err)
	}
	public, err := trust.LoadPublicKey(path + ".pub") // for whoever verifies
	if err != nil {
		panic(err)
	}
	fmt.Println(first.Equal(second), public.Equal(first.Public()))
	// Output: true true
}

// Verify says which record was tampered with, and goes on after it.
func ExampleVerify() {
	dir, key := exampleLedger()
	defer os.RemoveAll(dir)

	segment := filepath.Join(dir, "segments", "00000000000000000001.seg")
	data, err := os.ReadFile(segment)
	if err != nil {
		panic(err)
	}
	data[3000] ^= 1
	if err := os.WriteFile(segment, data, 0o600); err != nil {
		panic(err)
	}
	report, err := evidence.Verify(dir, evidence.VerifyOptions{Keys: []ed25519.PublicKey{key}})
	if err != nil {
		panic(err) // could not be checked
	}
	fmt.Println("intact:", report.Intact())
	fmt.Println("first:", report.First.Damage, "record", report.First.Record)
	fmt.Println("good:", report.Records)
	// Output:
	// intact: false
	// first: edited record 3
	// good: 4
}

// Read is for showing what happened, calls indented below those that made them.
func ExampleRead() {
	dir, _ := exampleLedger()
	defer os.RemoveAll(dir)
	for entry, err := range evidence.Read(dir) {
		if err != nil {
			fmt.Println(err)
			continue
		}
		r := entry.Record
		switch r.Kind {
		case record.KindIntent:
			fmt.Println(r.Seq, r.Kind, r.Call.Kind, r.Call.Name, r.Effects)
		case record.KindOutcome:
			fmt.Println(r.Seq, r.Kind, r.Outcome.Result, r.Decisions[0].Gate, r.Decisions[0].Verdict)
		default:
			fmt.Println(r.Seq, r.Kind)
		}
	}
	// Output:
	// 1 key.session
	// 2 run.start
	// 3 intent tool shell durable
	// 4 outcome done allowed allow
	// 5 run.end
}

// A sink gets every record, signed, and has those already seen again after a
// restart.
func ExampleSink() {
	var sink evidence.Sink = func(ctx context.Context, envelopes [][]byte) error {
		for _, env := range envelopes {
			r, err := record.Parse(env)
			if err != nil {
				return err
			}
			fmt.Println(r.Kind)
		}
		return nil
	}
	dir, err := os.MkdirTemp("", "ledger")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	recorder, err := evidence.Open(dir, evidence.Config{Exporters: []evidence.Exporter{{Sink: sink}}})
	if err != nil {
		panic(err)
	}
	if err := recorder.Close(context.Background()); err != nil {
		fmt.Println(err) // how many records the sink did not take
	}
	// Output: key.session
}

// A content is proved by the disclosure that opens its commitment.
func ExampleDisclosure() {
	dir, err := os.MkdirTemp("", "ledger")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	kept := make(map[string]record.Disclosure)
	recorder, err := evidence.Open(dir, evidence.Config{
		Disclose: func(d record.Disclosure) { kept[d.Commitment()] = d },
	})
	if err != nil {
		panic(err)
	}
	exampleCall(recorder)
	for entry, err := range evidence.Read(dir) {
		if err != nil {
			panic(err)
		}
		if in := entry.Record.Input; in != nil {
			name, value, err := kept[in.Commitment].Open()
			fmt.Println(name, string(value), err)
		}
	}
	// Output: input "ls" <nil>
}

// The newest checkpoint goes to a place that the agent cannot write to: with it, Verify
// finds a ledger that was cut or written again.
func ExampleReadCheckpoint() {
	dir, key := exampleLedger()
	defer os.RemoveAll(dir)
	kept, err := evidence.ReadCheckpoint(dir)
	if err != nil {
		panic(err)
	}
	report, err := evidence.Verify(dir, evidence.VerifyOptions{
		Keys: []ed25519.PublicKey{key}, Checkpoints: [][]byte{kept.Signed},
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(kept.Head.Records == report.Records, report.Intact())
	// Output: true true
}

// A content that was kept beside the ledger is shown to somebody, and no other one.
func ExampleReveal() {
	dir, err := os.MkdirTemp("", "ledger")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	secret := bytes.Repeat([]byte{1}, 32) // yours is random, and not kept beside the ledger
	recorder, err := evidence.Open(dir, evidence.Config{
		Payloads: &evidence.Payloads{Key: func() []byte { return secret }},
	})
	if err != nil {
		panic(err)
	}
	exampleCall(recorder)
	for entry, err := range evidence.Read(dir) {
		if err != nil {
			panic(err)
		}
		if entry.Record.Input == nil {
			continue
		}
		proof, err := evidence.Reveal(dir, secret, entry.Record.ID, record.ContentInput)
		if err != nil {
			panic(err)
		}
		proven, err := evidence.VerifyProof(proof, evidence.VerifyOptions{Keys: []ed25519.PublicKey{recorder.PublicKey()}})
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s: %s\n", proven.Record.Kind, proven.Contents[record.ContentInput])
	}
	// Output: intent: "ls"
}

// Servers of static files, and the tools of transparency logs, take what ExportTiles writes.
func ExampleExportTiles() {
	dir, _ := exampleLedger()
	defer os.RemoveAll(dir)
	out, err := os.MkdirTemp("", "tiles")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(out)
	exported, err := evidence.ExportTiles(out, dir)
	if err != nil {
		panic(err)
	}
	checkpoint, err := os.ReadFile(filepath.Join(out, "checkpoint"))
	fmt.Println(bytes.Equal(checkpoint, exported.Signed), err)
	// Output: true <nil>
}

// exampleLedger returns a ledger with one call, and the key that verifies it.
func exampleLedger() (dir string, key ed25519.PublicKey) {
	dir, err := os.MkdirTemp("", "ledger")
	if err != nil {
		panic(err)
	}
	recorder, err := evidence.Open(dir, evidence.Config{})
	if err != nil {
		panic(err)
	}
	exampleCall(recorder)
	return dir, recorder.PublicKey()
}

func exampleCall(recorder *evidence.Recorder) {
	ctx := context.Background()
	guarded := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{Output: "ok"}, nil
	}, recorder.Intercept, middleware.Before("allowed", func(context.Context, middleware.Call) error { return nil }))
	if _, err := guarded(ctx, middleware.Call{Kind: middleware.KindTool, Name: "shell", Input: "ls"}); err != nil {
		panic(err)
	}
	if err := recorder.Close(ctx); err != nil {
		panic(err)
	}
}

// A ledger whose key is lost is succeeded by one that says so in its first record.
func ExamplePredecessorOf() {
	old, _ := exampleLedger()
	defer os.RemoveAll(old)
	dir, err := os.MkdirTemp("", "evidence")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)

	_, err = evidence.Open(old, evidence.Config{})
	fmt.Println("another key's:", errors.Is(err, evidence.ErrOtherKey), "damaged:", errors.Is(err, evidence.ErrDamaged))

	predecessor, err := evidence.PredecessorOf(old, "agent.key is lost")
	if err != nil {
		panic(err)
	}
	recorder, err := evidence.Open(filepath.Join(dir, "ledger"), evidence.Config{Predecessor: predecessor})
	if err != nil {
		panic(err)
	}
	defer recorder.Close(context.Background())
	for e, err := range evidence.Read(filepath.Join(dir, "ledger")) {
		if err != nil {
			panic(err)
		}
		fmt.Println(e.Record.Kind, "succeeds a ledger, as", e.Record.Session.Predecessor.Reason)
	}
	// Output:
	// another key's: true damaged: false
	// key.session succeeds a ledger, as agent.key is lost
}
