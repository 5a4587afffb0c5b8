package gates

import (
	"math/bits"
	"slices"
	"strconv"

	"example.com/safeconduct/middleware"
)

// advise returns the request with a message that says what is left, and without
// tools, where limits say so; otherwise the request itself.
//
// The message is the last one, and of the human: clients take it in that place
// and form, while several of them keep but one message of the system. The output
// of tools is left as it is, since programs may parse it.
func (b *budget) advise(st *runState, req *middleware.ModelRequest) *middleware.ModelRequest {
	if !b.advises {
		return req
	}
	text, final := b.notice(st)
	if text == "" {
		return req
	}
	told := *req
	told.Messages = append(slices.Clone(req.Messages), middleware.Message{
		Role: "human", Parts: []middleware.Part{{Text: text, Size: len(text)}},
	})
	if final {
		told.Tools = nil
	}
	return &told
}

// notice returns what the model is to be told, and whether it is to answer now.
func (b *budget) notice(st *runState) (text string, final bool) {
	bk := b.lock(st)
	defer bk.mu.Unlock()
	now := b.time(bk)
	for i := range b.bounds {
		bd := &b.bounds[i]
		if bd.Soft+bd.FinalAnswer == 0 {
			continue
		}
		s, counted := b.standing(st, i, now)
		for d, limit := range bd.max {
			if !counted || limit == 0 {
				continue
			}
			spent := sum(s.Used[d], s.Held[d])
			left := "[budget] limit " + bd.limit(Dim(d)) + " of the " + bd.Scope.String() + ": left " +
				strconv.FormatInt(max(limit-spent, 0), 10) + " of " + strconv.FormatInt(limit, 10) + ". "
			switch {
			case reached(spent, limit, bd.FinalAnswer):
				return left + "No tools are available any more: give your final answer now, with what you have.", true
			case text == "" && reached(spent, limit, bd.Soft):
				text = left + "Come to an end soon."
			}
		}
	}
	return text, false
}

// reached reports whether n is the share of the limit in percent that is not
// zero, or more.
func reached(n, limit int64, percent int) bool {
	if percent == 0 {
		return false
	}
	nHi, nLo := bits.Mul64(uint64(n), 100)
	hi, lo := bits.Mul64(uint64(limit), uint64(percent))
	return nHi > hi || nHi == hi && nLo >= lo
}
