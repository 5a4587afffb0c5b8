package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

var calculate = middleware.Call{Kind: middleware.KindTool, Name: "calculator", Input: "19*23"}

// guarded returns a tool that does nothing behind three gates, recorded where r
// is not nil.
func guarded(r *evidence.Recorder) middleware.Handler {
	const plenty = 1 << 60
	is := []middleware.Interceptor{
		gates.Ingress(gates.IngressRules{}), gates.Tools("calculator"), gates.Budget(
			gates.Limits{ToolCalls: plenty, Tokens: plenty},
			gates.Limits{Scope: gates.ScopeProcess, ToolCalls: plenty},
		),
	}
	if r != nil {
		is = append([]middleware.Interceptor{r.Intercept}, is...)
	}
	return middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{Output: "437"}, nil
	}, is...)
}

// inRun calls f within a run that nothing records.
func inRun(f func(ctx context.Context)) error {
	within := func(next middleware.Handler) middleware.Handler { return next }
	_, err := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		f(ctx)
		return middleware.Result{}, nil
	}, within)(context.Background(), middleware.Call{Kind: middleware.KindChain, Name: "run"})
	return err
}

func recorder(signing record.Signing) func(string, time.Duration) (int, time.Duration, error) {
	return func(dir string, span time.Duration) (int, time.Duration, error) {
		r, err := evidence.Open(dir, evidence.Config{Signing: signing, ReadOnly: []string{"calculator"}})
		if err != nil {
			return 0, 0, err
		}
		h, began := guarded(r), time.Now()
		var failed error
		err = inRun(func(ctx context.Context) {
			for n := 0; failed == nil && time.Since(began) < span; n++ {
				if _, failed = h(ctx, calculate); n%100 == 0 && failed == nil {
					failed = await(func() bool { return r.Stats().Waiting < 4000 })
				}
			}
		})
		failed = errors.Join(failed, await(func() bool { return r.Stats().Waiting == 0 }))
		took := time.Since(began)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		err = errors.Join(err, failed, r.Close(ctx))
		s := r.Stats()
		if s.Lost > 0 {
			err = errors.Join(err, fmt.Errorf("%d records were lost", s.Lost))
		}
		return int(s.Durable), took, err
	}
}

func appender(batch uint, age time.Duration, outstanding int) func(string, time.Duration) (int, time.Duration, error) {
	return func(dir string, span time.Duration) (_ int, took time.Duration, err error) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		private, _, err := note.GenerateKey(rand.Reader, "bench")
		if err != nil {
			return 0, 0, err
		}
		signer, err := note.NewSigner(private)
		if err != nil {
			return 0, 0, err
		}
		driver, err := posix.New(ctx, posix.Config{Path: dir})
		if err != nil {
			return 0, 0, err
		}
		a, shutdown, _, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().
			WithCheckpointSigner(signer).WithCheckpointInterval(time.Second).WithBatching(batch, age).WithPushback(uint(outstanding)))
		if err != nil {
			return 0, 0, err
		}
		defer func() { err = errors.Join(err, shutdown(ctx)) }()
		var durable atomic.Int64
		var failed atomic.Pointer[error]
		slots := make(chan struct{}, outstanding)
		began := time.Now()
		for failed.Load() == nil && time.Since(began) < span {
			slots <- struct{}{}
			future := a.Add(ctx, tessera.NewEntry(newRecord()))
			go func() {
				defer func() { <-slots }()
				if _, err := future(); err != nil {
					failed.Store(&err)
					return
				}
				durable.Add(1)
			}()
		}
		for range outstanding {
			slots <- struct{}{}
		}
		took = time.Since(began)
		if p := failed.Load(); p != nil {
			return 0, 0, *p
		}
		return int(durable.Load()), took, nil
	}
}
