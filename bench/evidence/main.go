// Command evidence measures the ledger beside what it is compared with, in one
// process: Tessera's POSIX appender, plain fdatasync, plain Ed25519, and a span
// of OpenTelemetry. It prints two tables.
package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/klog/v2"
)

func main() {
	log.SetFlags(0)
	klog.LogToStderr(false) // Tessera tells of each start
	klog.SetOutput(io.Discard)
	span := flag.Duration("span", 3*time.Second, "how long each writer writes, in each round")
	rounds := flag.Int("rounds", 2, "how often each writer has its turn")
	runs := flag.Int("runs", 10_000, "how many runs make calls, one a second each")
	flag.Parse()
	if err := throughput(*span, *rounds); err != nil {
		log.Fatal(err)
	}
	if err := tails(*runs); err != nil {
		log.Fatal(err)
	}
}

// A writer makes records durable for a while and returns how many, and how long
// it took until the last was. What it does to end is not in it.
type writer struct {
	name  string
	write func(dir string, span time.Duration) (records int, took time.Duration, err error)
}

// throughput lets the writers take turns, so that all meet the same disk.
func throughput(span time.Duration, rounds int) error {
	writers := []writer{
		{"safeconduct, a signature a record", recorder("records")},
		{"safeconduct, a signature a group", recorder("checkpoints")},
		{"Tessera, batches of 256 or 250 ms, 1,024 outstanding", appender(256, 250*time.Millisecond, 1024)},
		{"Tessera, batches of 1,024 or 10 ms, 4,096 outstanding", appender(1024, 10*time.Millisecond, 4096)},
		{"write and fdatasync of each record", plainSync},
		{"Ed25519 signatures of each record, nothing written", plainSign},
	}
	type result struct{ rate, cpu []float64 }
	results := make([]result, len(writers))
	for range rounds {
		for i, w := range writers {
			dir, err := os.MkdirTemp("", "bench-evidence-")
			if err != nil {
				return err
			}
			before := cpuTime()
			n, took, err := w.write(filepath.Join(dir, "ledger"), span)
			used := cpuTime() - before
			if err := errors.Join(err, os.RemoveAll(dir)); err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			results[i].rate = append(results[i].rate, float64(n)/took.Seconds())
			results[i].cpu = append(results[i].cpu, float64(used.Microseconds())/float64(n))
		}
	}
	fmt.Printf("Durable records of %d B, at the median of %d turns of %v\n", recordSize, rounds, span)
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\trecords/s\tof the first\tCPU us/record\t")
	for i, w := range writers {
		rate := median(results[i].rate)
		fmt.Fprintf(t, "%s\t%.0f\t%.2f\t%.1f\t\n", w.name, rate, rate/median(results[0].rate), median(results[i].cpu))
	}
	return t.Flush()
}

// recordSize is how long the records are that others than ours write.
const recordSize = 1140

func newRecord() []byte {
	b := make([]byte, recordSize)
	_, _ = rand.Read(b) // does not fail
	return b
}

func plainSync(dir string, span time.Duration) (n int, took time.Duration, err error) {
	f, err := os.Create(dir)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	record, began := newRecord(), time.Now()
	for ; time.Since(began) < span; n++ {
		if _, err := f.Write(record); err != nil {
			return 0, 0, err
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return 0, 0, err
		}
	}
	return n, time.Since(began), nil
}

func plainSign(_ string, span time.Duration) (int, time.Duration, error) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return 0, 0, err
	}
	record, began := newRecord(), time.Now()
	end := began.Add(span)
	var n atomic.Int64
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for time.Now().Before(end) {
				_ = ed25519.Sign(key, record)
				n.Add(1)
			}
		})
	}
	all.Wait()
	return int(n.Load()), time.Since(began), nil
}

// cpuTime is what the process has used.
func cpuTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts); err != nil {
		log.Fatal(err)
	}
	return time.Duration(ts.Nano())
}

func median(list []float64) float64 {
	s := slices.Sorted(slices.Values(list))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// await returns when done says so, or an error where that takes too long.
func await(done func() bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for !done() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}
