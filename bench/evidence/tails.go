package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"example.com/safeconduct/evidence"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// A hung is an exporter of spans that does not return.
type hung struct{}

func (hung) ExportSpans(ctx context.Context, _ []sdktrace.ReadOnlySpan) error {
	<-ctx.Done()
	return ctx.Err()
}
func (hung) Shutdown(context.Context) error { return nil }

// hang is a sink that does not return.
func hang(ctx context.Context, _ [][]byte) error { <-ctx.Done(); return ctx.Err() }

// tails offers calls at a steady pace and looks at the slowest, while nobody
// takes what they leave.
func tails(runs int) error {
	provider := func(opts ...sdktrace.BatchSpanProcessorOption) trace.Tracer {
		return sdktrace.NewTracerProvider(sdktrace.WithBatcher(hung{}, opts...)).Tracer("bench") // ends with the process
	}
	spanned := func(tracer trace.Tracer) func(context.Context) {
		h := guarded(nil)
		return func(ctx context.Context) {
			_, span := tracer.Start(ctx, "calculator", trace.WithAttributes(
				attribute.String("tool", "calculator"), attribute.String("input", "19*23"),
				attribute.String("run", "AGXW5INJQKQOVWIHOIHGUVTVY4"),
				attribute.String("subject", "alice"), attribute.String("tenant", "acme"), attribute.String("verdict", "allow"),
				attribute.Int("id", 4), attribute.Int("parent", 1),
			))
			_, _ = h(ctx, calculate)
			span.End()
		}
	}
	dir, err := os.MkdirTemp("", "bench-evidence-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	r, err := evidence.Open(filepath.Join(dir, "ledger"), evidence.Config{
		ReadOnly:  []string{"calculator"},
		Exporters: []evidence.Exporter{{Sink: hang}},
	})
	if err != nil {
		return err
	}
	recorded, bare := guarded(r), guarded(nil)
	subjects := []struct {
		name string
		call func(context.Context)
	}{
		{"guarded", func(ctx context.Context) { _, _ = bare(ctx, calculate) }},
		{"guarded and recorded, the sink hung", func(ctx context.Context) { _, _ = recorded(ctx, calculate) }},
		{"guarded and in a span, the exporter hung, spans dropped", spanned(provider())},
		{"guarded and in a span, the exporter hung, none dropped", spanned(provider(sdktrace.WithBlocking()))},
	}
	fmt.Printf("\nCalls of %d runs, one a second each\n", runs)
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tmade\tp50 us\tp99\tp99.9\tp99.99\tmax\tnot back\t")
	for _, s := range subjects {
		o := offer(s.call, runs)
		us := func(q float64) float64 {
			return float64(o.took[min(len(o.took)-1, int(q*float64(len(o.took))))]) / 1e3
		}
		if len(o.took) == 0 {
			fmt.Fprintf(t, "%s\t0\t\t\t\t\t\t%d\t\n", s.name, o.stuck)
			continue
		}
		fmt.Fprintf(t, "%s\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t%d\t\n",
			s.name, len(o.took), us(0.5), us(0.99), us(0.999), us(0.9999), us(1), o.stuck)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	s := r.Stats()
	fmt.Printf("%d records are durable, %d not shipped, %d lost\n", s.Durable, s.Exporters[0].Lag, s.Lost)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = r.Close(ctx) // the sink takes nothing
	return nil
}

// An offered is what came of offering calls.
type offered struct {
	took  []time.Duration // ascending
	stuck int             // calls that were still under way at the end
}

// offer has each of some runs make a call a second, and measures them for 8
// seconds after 3. Calls that do not return are left behind.
func offer(call func(context.Context), runs int) (o offered) {
	const warm, span, period = 3 * time.Second, 8 * time.Second, time.Second
	var measuring, stop atomic.Bool
	var under atomic.Int64
	var mu sync.Mutex
	start := time.Now()
	var all sync.WaitGroup
	for i := range runs {
		all.Go(func() {
			next := start.Add(period * time.Duration(i) / time.Duration(runs))
			var mine []time.Duration
			turn := func(ctx context.Context) {
				for range 1 + i%3 { // calls of a run, before another one begins
					time.Sleep(time.Until(next))
					if stop.Load() {
						return
					}
					under.Add(1)
					began := time.Now()
					call(ctx)
					took := time.Since(began)
					under.Add(-1)
					if measuring.Load() {
						mine = append(mine, took)
					}
					next = next.Add(period)
				}
			}
			for !stop.Load() {
				if err := inRun(turn); err != nil {
					panic(err)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			o.took = append(o.took, mine...)
		})
	}
	time.Sleep(warm)
	measuring.Store(true)
	time.Sleep(span)
	measuring.Store(false)
	stuck := int(under.Load())
	stop.Store(true)
	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
	}
	mu.Lock()
	defer mu.Unlock()
	return offered{slices.Sorted(slices.Values(o.took)), stuck}
}
