package collector

import (
	"container/list"
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// maxConnections bounds connections where Limits do not.
	maxConnections = 1024

	// headerTimeout bounds the time to read a request's header, where the Limits
	// do not ask for less: until then nobody knows who sends it.
	headerTimeout = 10 * time.Second
)

// A connLimiter bounds the connections of a server. Nobody is turned away: where there
// are too many on which no key was shown, the oldest of those is cut off. So whoever
// shows a key as soon as it is connected gets in, however many others do not.
type connLimiter struct {
	most, mostKeyless int
	log               *logger
	metrics           *metrics

	mu      sync.Mutex
	all     map[net.Conn]*connection
	keyless list.List // those on which no key was shown, the oldest first
}

// A connection is one that is open.
type connection struct {
	conn  net.Conn
	place *list.Element // in keyless; nil once a key was shown, or it is cut off
}

func newConnLimiter(most int, log *logger, m *metrics) *connLimiter {
	return &connLimiter{most: most, mostKeyless: max(most/4, 1), log: log, metrics: m, all: make(map[net.Conn]*connection)}
}

// state is for http.Server.ConnState.
func (l *connLimiter) state(conn net.Conn, state http.ConnState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch state {
	case http.StateNew:
		c := &connection{conn: conn}
		c.place = l.keyless.PushBack(c)
		l.all[conn] = c
		for l.keyless.Len() > l.mostKeyless {
			l.cutOff(l.keyless.Front().Value.(*connection))
		}
	case http.StateClosed, http.StateHijacked:
		if c := l.all[conn]; c != nil && c.place != nil {
			l.keyless.Remove(c.place)
		}
		delete(l.all, conn)
	}
}

// cutOff ends a connection on which no key was shown. It needs l.mu.
func (l *connLimiter) cutOff(c *connection) {
	l.keyless.Remove(c.place)
	c.place = nil
	conn := c.conn
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = t.NetConn() // TLS would say goodbye, and wait for it to be heard
	}
	_ = conn.Close() // whoever reads from it gets the error
	l.metrics.problem("crowded")
	l.log.bounded("crowded", slog.LevelWarn, "too many connections without a key: the oldest is cut off",
		"remote", conn.RemoteAddr().String())
}

// connKey is where the context of a request has its connection.
type connKey struct{}

// context is for http.Server.ConnContext.
func (*connLimiter) context(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// keyShown notes that a key was shown on the connection of a request, which then stays
// as long as there are not too many of those.
func (l *connLimiter) keyShown(ctx context.Context) {
	conn, ok := ctx.Value(connKey{}).(net.Conn)
	if !ok {
		return // it is the server of somebody else
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.all[conn]
	if c == nil || c.place == nil || len(l.all)-l.keyless.Len() >= l.most-l.mostKeyless {
		return
	}
	l.keyless.Remove(c.place)
	c.place = nil
}
