package pair

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"
)

const (
	rounds    = 101
	slice     = 1500 * time.Microsecond // at least, for each slice
	tries     = 7                       // at calibration; the fastest counts
	resamples = 1000                    // of the bootstrap

	// What the reference held against itself may read.
	controlLow, controlHigh = 0.97, 1.03
)

// A Subject does its work n times.
type Subject func(n int)

// ErrVoid reports that the reference differed from itself: the machine was too
// restless to measure anything.
var ErrVoid = errors.New("pair: void")

// A Result is what one subject takes, as a multiple of what the reference takes
// for one of its own operations.
type Result struct {
	Ratio     float64 // in CPU time; the median over all rounds
	Low, High float64 // 95% interval of Ratio, by bootstrap
	Wall      float64 // the same ratio in wall time
	NS        float64 // wall nanoseconds an operation, median; for orientation
}

// Compare measures the subjects against the reference. It takes about a second
// for each. The error wraps [ErrVoid] where the reference differed from itself.
func Compare(reference Subject, subjects ...Subject) ([]Result, error) {
	return meter{clock: cpuTime}.compare(reference, subjects)
}

// CompareCallers is like [Compare], but it counts what subjects cost the thread
// that calls them alone, and not what others do behind it. After each slice it
// calls settle, which is not counted and waits until those are done.
func CompareCallers(settle func(), reference Subject, subjects ...Subject) ([]Result, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return meter{threadTime, settle}.compare(reference, subjects)
}

// Thread returns the CPU time that f takes the thread that calls it, which other
// processes cannot lengthen. What goroutines do behind f is not counted.
func Thread(f func()) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began := threadTime()
	f()
	return threadTime() - began
}

// A meter takes slices.
type meter struct {
	clock  func() time.Duration
	settle func() // or nil
}

func (m meter) compare(reference Subject, subjects []Subject) ([]Result, error) {
	ref := m.newRunner(reference)
	all := make([]*runner, 0, len(subjects)+1)
	for _, s := range subjects {
		all = append(all, m.newRunner(s))
	}
	all = append(all, m.newRunner(reference)) // the control
	rng := rand.New(rand.NewPCG(1, 2))        //nolint:gosec // orders rounds and resamples: nothing to guess
	for range rounds {
		for _, i := range rng.Perm(len(all)) {
			all[i].against(ref, rng.IntN(2) == 0)
		}
	}
	control := median(all[len(subjects)].cpu)
	if control < controlLow || control > controlHigh {
		return nil, fmt.Errorf("%w: the reference took %.3f times what it took", ErrVoid, control)
	}
	results := make([]Result, len(subjects))
	for i := range results {
		results[i] = all[i].result(rng)
	}
	return results, nil
}

// A runner runs one Subject.
type runner struct {
	meter     meter
	run       Subject
	ops       int // in a slice
	cpu, wall []float64
	ns        []float64
}

// newRunner finds how many operations fill a slice. A try that was interrupted
// reads slow, and would leave too few: so the fastest counts.
func (m meter) newRunner(s Subject) *runner {
	ops := 1
	for {
		fastest := time.Duration(math.MaxInt64)
		for range tries {
			_, took := m.timed(s, ops)
			fastest = min(fastest, took)
		}
		if fastest >= slice {
			return &runner{meter: m, run: s, ops: ops}
		}
		more := 8 * ops
		if fastest > slice/16 {
			more = int(math.Ceil(float64(ops) * 1.1 * float64(slice) / float64(fastest)))
		}
		ops = max(more, ops+1)
	}
}

// against takes one ABBA or BAAB round.
func (r *runner) against(ref *runner, refFirst bool) {
	var cpu, wall [2]time.Duration // of ref and of r
	order := [4]int{1, 0, 0, 1}
	if refFirst {
		order = [4]int{0, 1, 1, 0}
	}
	for _, who := range order {
		x := [2]*runner{ref, r}[who]
		c, w := r.meter.timed(x.run, x.ops)
		cpu[who] += c
		wall[who] += w
	}
	perOp := func(d [2]time.Duration) float64 {
		return (float64(d[1]) / float64(r.ops)) / (float64(d[0]) / float64(ref.ops))
	}
	r.cpu = append(r.cpu, perOp(cpu))
	r.wall = append(r.wall, perOp(wall))
	r.ns = append(r.ns, float64(wall[1])/float64(2*r.ops))
}

func (m meter) timed(s Subject, ops int) (cpu, wall time.Duration) {
	began, before := time.Now(), m.clock()
	s(ops)
	cpu, wall = m.clock()-before, time.Since(began)
	if m.settle != nil {
		m.settle()
	}
	return cpu, wall
}

func (r *runner) result(rng *rand.Rand) Result {
	medians := make([]float64, resamples)
	sample := make([]float64, len(r.cpu))
	for i := range medians {
		for j := range sample {
			sample[j] = r.cpu[rng.IntN(len(r.cpu))]
		}
		medians[i] = median(sample)
	}
	slices.Sort(medians)
	return Result{
		Ratio: median(r.cpu),
		Low:   medians[resamples*25/1000], High: medians[resamples*975/1000],
		Wall: median(r.wall), NS: median(r.ns),
	}
}

// median returns the middle of a list, or the mean of the two in the middle.
func median(list []float64) float64 {
	s := slices.Sorted(slices.Values(list))
	mid := len(s) / 2
	if len(s)%2 == 1 {
		return s[mid]
	}
	return (s[mid-1] + s[mid]) / 2
}
