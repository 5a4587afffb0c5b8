// Package pair measures one piece of code as a ratio to another, in a way that
// stands on a noisy machine with two speeds.
//
// [Compare] takes slices of the reference and of each subject in turn, ABBA or
// BAAB, in one process, and returns the median of the ratios of such pairs, in
// process CPU time. Process CPU time charges what the garbage collector and
// goroutines in the background do to whoever caused it. The reference is also
// held against itself: where that does not read about 1, the measurement is
// void.
//
// [Target] and [TargetTime] make a benchmark of a goal out of it:
//
//	func BenchmarkTargetGuardedToolCall(b *testing.B) {
//		pair.TargetTime(b, 250*time.Nanosecond, func(n int) {
//			for range n {
//				_, _ = guarded(ctx, call)
//			}
//		})
//	}
//
// On two shared cores the median of the ratios of such pairs spread by 2% over
// 20 repeats, where ratios of medians of separate runs spread by 30%.
package pair
