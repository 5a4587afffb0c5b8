package aitracer_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/adapters/aitracer"
)

// Two webhooks with one body, signed within one second, are the same to whoever gets
// them: the second one is a replay. One with an ID of its own is none.
func TestTheSameWebhookTwiceWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := new(inbox)
		h := aitracer.Verify(aitracer.WebhookRules{Secrets: kept(secret)}, in)
		for _, tt := range []struct {
			body string
			want int
		}{{`{"id":1}`, 204}, {`{"id":1}`, 409}, {`{"id":2}`, 204}} {
			if got := deliver(h, signed(t, secret, tt.body)); got != tt.want {
				t.Errorf("%s: got status %d, want %d", tt.body, got, tt.want)
			}
		}
		time.Sleep(time.Second)
		if got := deliver(h, signed(t, secret, `{"id":1}`)); got != 204 {
			t.Errorf("a second later: got status %d, want 204", got)
		}
	})
}

// TestVerifyReplays sends each webhook again at every second for as long as it
// might be let through, and longer.
func TestVerifyReplays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := new(inbox)
		h := aitracer.Verify(aitracer.WebhookRules{Secrets: kept(secret), Tolerance: 10 * time.Second}, in)
		var sent []*http.Request
		const seconds = 200
		for n := range seconds {
			r := signed(t, secret, fmt.Sprint(n))
			sent = append(sent, r)
			if got := deliver(h, again(t, r)); got != 204 {
				t.Fatalf("webhook %d: got status %d, want 204", n, got)
			}
			for age, r := range sent[max(0, n-30):] {
				if got := deliver(h, again(t, r)); got != 409 && got != 401 {
					t.Fatalf("replay of webhook %d at %d: got status %d, want 409 or 401", age+max(0, n-30), n, got)
				}
			}
			time.Sleep(time.Second)
		}
		if len(in.bodies) != seconds {
			t.Errorf("%d webhooks were passed on, want %d", len(in.bodies), seconds)
		}
	})
}

// TestVerifyLate has a webhook come late, but within the tolerance, after others
// that were signed with it, by a clock that is ahead: that they were seen is no
// reason to refuse it.
func TestVerifyLate(t *testing.T) {
	for late := range 21 {
		synctest.Test(t, func(t *testing.T) {
			h := aitracer.Verify(aitracer.WebhookRules{Secrets: kept(secret), Tolerance: 10 * time.Second}, new(inbox))
			time.Sleep(time.Minute) // generations come and go
			at := time.Now().Add(10 * time.Second)
			for n := range late + 1 {
				if got := deliver(h, signedAt(at, fmt.Sprint(n))); got != 204 {
					t.Errorf("%ds late: got status %d, want 204", n, got)
				}
				time.Sleep(time.Second)
			}
		})
	}
}

// TestVerifyAClockThatIsSetBack has a timestamp become fresh again that was
// forgotten.
func TestVerifyAClockThatIsSetBack(t *testing.T) {
	seen := aitracer.NewReplays(100, 10*time.Second)
	base := time.Now()
	at := func(s int) time.Time { return base.Add(time.Duration(s) * time.Second) }
	if !seen.Fresh(1000, at(0)) || seen.Fresh(1000, at(0)) {
		t.Error("a webhook is not let through once")
	}
	if !seen.Fresh(1011, at(11)) || !seen.Fresh(1031, at(31)) {
		t.Error("later webhooks are not let through")
	}
	// The first is forgotten now.
	if seen.Len() > 2 {
		t.Errorf("%d are remembered, want 2 at most", seen.Len())
	}
	if seen.Fresh(1000, at(32)) {
		t.Error("what was forgotten was let through again")
	}
}

// TestVerifyRemembersSoMany has the memory fill up: nothing is forgotten for
// something new, and strangers fill nothing.
func TestVerifyRemembersSoMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := aitracer.Verify(aitracer.WebhookRules{Secrets: kept(secret), Memory: 3, Tolerance: time.Minute}, new(inbox))
		for n := range 10 {
			if got := deliver(h, signed(t, []byte("a stranger's"), fmt.Sprint(n))); got != 401 {
				t.Fatalf("a stranger: got status %d, want 401", got)
			}
		}
		first := signed(t, secret, "0")
		for n, want := range []int{204, 204, 204, 503} {
			if got := deliver(h, signed(t, secret, fmt.Sprint(n))); got != want {
				t.Errorf("webhook %d: got status %d, want %d", n, got, want)
			}
		}
		if got := deliver(h, first); got != 409 {
			t.Errorf("a replay while it is full: got status %d, want 409", got)
		}
		time.Sleep(4 * time.Minute)
		if got := deliver(h, signed(t, secret, "5")); got != 204 {
			t.Errorf("after a while: got status %d, want 204", got)
		}
	})
}

// TestVerifyOnce has one webhook come many times at once.
func TestVerifyOnce(t *testing.T) {
	in := new(inbox)
	h := aitracer.Verify(aitracer.WebhookRules{Secrets: kept(secret)}, in)
	r := signed(t, secret, alert)
	var all sync.WaitGroup
	for range 50 {
		c := again(t, r)
		all.Go(func() { deliver(h, c) })
	}
	all.Wait()
	if len(in.bodies) != 1 {
		t.Errorf("it was passed on %d times, want 1", len(in.bodies))
	}
}
