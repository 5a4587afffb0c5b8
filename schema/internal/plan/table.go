package plan

import (
	"math/bits"

	"example.com/safeconduct/internal/strictjson"
)

// A table finds strings in a set of them. A string is told by its first and last
// eight bytes and its length, which settles it up to eight bytes.
type table struct {
	all   []string // by their indexes
	slots []slot   // a power of two of them, or none
	times uint64   // spreads the keys over the slots
	shift uint8
	many  map[string]int // in place of slots where they would not do
}

type slot struct {
	key   uint64
	size  int32 // -1 where the slot is empty
	index int32
}

const (
	maxProbes = 8      // of slots, for one string
	maxTries  = 64     // of ways to spread the keys
	maxTable  = 1 << 9 // strings in slots
)

// newTable returns a table of the strings, which differ.
func newTable(all []string) table {
	t := table{all: all}
	if len(all) == 0 {
		return t
	}
	if len(all) <= maxTable {
		size := bits.Len(uint(2*len(all) - 1))
		t.shift = uint8(64 - size)
		best, least := uint64(0), len(all)+1
		for try := range uint64(maxTries) {
			t.times = 0x9e3779b97f4a7c15 * (2*try + 1)
			if n := t.fill(1 << size); n < least {
				best, least = t.times, n
			}
			if least == 1 {
				break
			}
		}
		t.times = best
		if t.fill(1<<size) <= maxProbes {
			return t
		}
		t.slots = nil
	}
	t.many = make(map[string]int, len(all))
	for i, s := range all {
		t.many[s] = i
	}
	return t
}

// fill puts all strings into n slots, and returns how many slots it takes to find
// any of them at most.
func (t *table) fill(n int) int {
	t.slots = make([]slot, n)
	for i := range t.slots {
		t.slots[i].size = -1
	}
	most := 0
	for i, s := range t.all {
		key := keyOf(s, 0, len(s))
		probes, at := 1, t.first(key, len(s))
		for t.slots[at].size >= 0 {
			probes++
			at = (at + 1) & (n - 1)
		}
		t.slots[at] = slot{key, int32(len(s)), int32(i)}
		most = max(most, probes)
	}
	return most
}

func (t *table) first(key uint64, size int) int {
	return int((key + uint64(size)*0xff51afd7ed558ccd) * t.times >> t.shift)
}

// find returns the index of src[start:end], or -1 where it is not in the table.
func (t *table) find(src string, start, end int) int {
	if t.slots == nil {
		if i, ok := t.many[src[start:end]]; ok {
			return i
		}
		return -1
	}
	key, size := keyOf(src, start, end), end-start
	for at := t.first(key, size); ; at = (at + 1) & (len(t.slots) - 1) {
		s := &t.slots[at]
		switch {
		case s.size < 0:
			return -1
		case s.key != key || int(s.size) != size:
		case size <= 8 || t.all[s.index] == src[start:end]:
			return int(s.index)
		}
	}
}

// keyOf returns the first eight bytes of src[start:end], mixed with the last eight
// where there are more.
func keyOf(src string, start, end int) uint64 {
	switch n := end - start; {
	case n > 8:
		return strictjson.Load8(src, start) ^ bits.RotateLeft64(strictjson.Load8(src, end-8), 29)
	case start+8 <= len(src):
		return strictjson.Load8(src, start) & (^uint64(0) >> (64 - 8*uint(n)))
	}
	key := uint64(0)
	for i := end - 1; i >= start; i-- {
		key = key<<8 | uint64(src[i])
	}
	return key
}
