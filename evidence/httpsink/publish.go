package httpsink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"example.com/safeconduct/internal/delivery"
)

// ledgerHole stands for the origin of a ledger in a URL.
const ledgerHole = "{ledger}"

// A publisher posts the newest checkpoint, for as long as it takes. Older ones say
// nothing that the newest does not.
type publisher struct {
	template string
	post     func(ctx context.Context, to *url.URL, kind, encoding string, body []byte) (*answer, error)
	line     *delivery.Line

	mu      sync.Mutex
	newest  []byte // to be posted; nil if there is none
	err     error  // why the last one was not taken; nil if it was
	started bool
	closed  bool

	more   chan struct{}
	ending context.Context // ends when Close begins
	end    context.CancelFunc
	ctx    context.Context // of the posts; ends when Close has waited long enough
	stop   context.CancelFunc
	done   chan struct{}
}

func newPublisher(template string, post func(context.Context, *url.URL, string, string, []byte) (*answer, error)) *publisher {
	p := &publisher{
		template: template, post: post, line: delivery.New(delivery.Config{}),
		more: make(chan struct{}, 1), done: make(chan struct{}),
	}
	p.ending, p.end = context.WithCancel(context.Background())
	p.ctx, p.stop = context.WithCancel(context.Background())
	return p
}

// Publish has a signed checkpoint posted, in place of one that has not been taken
// yet, and does not wait for it: it is for evidence.Config.Publish. After Close it
// does nothing.
func (p *publisher) Publish(checkpoint []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.template == "" || p.closed {
		return
	}
	p.newest = bytes.Clone(checkpoint)
	if !p.started {
		p.started = true
		go p.run()
	}
	p.notify()
}

func (p *publisher) notify() {
	select {
	case p.more <- struct{}{}:
	default:
	}
}

// PublishErr returns why the checkpoint before was not taken, nil if it was or
// there was none.
func (p *publisher) PublishErr() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// run posts checkpoints until it is closed and there is none left, or none can be
// posted.
func (p *publisher) run() {
	defer close(p.done)
	for {
		checkpoint, closed := p.take()
		if checkpoint == nil {
			if closed {
				return
			}
			<-p.more
			continue
		}
		err := p.line.Do(p.ctx, func(ctx context.Context) error { return p.put(ctx, checkpoint) })
		if again := p.settle(checkpoint, err); !again {
			continue
		}
		if closed {
			return
		}
		p.rest()
	}
}

// take takes the checkpoint that is to be posted.
func (p *publisher) take() (checkpoint []byte, closed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	checkpoint, p.newest = p.newest, nil
	return checkpoint, p.closed
}

// settle notes what came of a checkpoint, and reports whether it, or a newer one,
// is to be posted after a rest.
func (p *publisher) settle(checkpoint []byte, err error) (again bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
	if err == nil || delivery.IsPermanent(err) {
		return false
	}
	if p.newest == nil {
		p.newest = checkpoint
	}
	return true
}

// rest waits until an attempt may be made again, or there is no time for it.
func (p *publisher) rest() {
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	defer context.AfterFunc(p.ending, cancel)()
	_ = p.line.Wait(ctx) // its error is that of ctx
}

// put posts one checkpoint.
func (p *publisher) put(ctx context.Context, checkpoint []byte) error {
	origin, _, _ := strings.Cut(string(checkpoint), "\n")
	to, err := url.Parse(strings.ReplaceAll(p.template, ledgerHole, url.PathEscape(origin)))
	if err != nil {
		return errors.New("httpsink: the ledger's origin has no place in CheckpointURL")
	}
	a, err := p.post(ctx, to, "text/plain; charset=utf-8", "", checkpoint)
	if err != nil {
		return fmt.Errorf("httpsink: %w", err)
	}
	a.says.Taken = nil // counts records
	if e := a.judge(0); e != nil {
		return &e.SinkError
	}
	return nil
}

// Close has the newest checkpoint posted, if it has not been taken, and ends what
// there is in the background. It returns nil, or why the checkpoint was not taken;
// the context's error where the time was up. Close the Recorder first.
func (s *Sink) Close(ctx context.Context) error {
	p := s.publisher
	p.mu.Lock()
	if !p.closed && !p.started {
		close(p.done)
	}
	p.closed = true
	p.mu.Unlock()
	p.end()
	p.notify()
	defer s.client.CloseIdleConnections()
	select {
	case <-p.done:
	case <-ctx.Done():
		p.stop()
		<-p.done
		return fmt.Errorf("httpsink: close: %w", ctx.Err())
	}
	p.stop()
	return p.PublishErr()
}
