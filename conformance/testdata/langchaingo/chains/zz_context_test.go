package chains

import (
	"context"
	"errors"

	"github.com/stretchr/testify/mock"
)

// derivedFrom matches contexts that end when want does.
func derivedFrom(want context.Context) any {
	return mock.MatchedBy(func(got context.Context) bool {
		gotEnd, gotOK := got.Deadline()
		wantEnd, wantOK := want.Deadline()
		return got.Done() == want.Done() && gotOK == wantOK && gotEnd.Equal(wantEnd) && errors.Is(got.Err(), want.Err())
	})
}
