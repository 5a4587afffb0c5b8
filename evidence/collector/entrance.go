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
	// do not ask for less: until then nobody knows who it is.
	headerTimeout = 10 * time.Second
)

// An entrance bounds the connections of a server. Nobody is turned away: where there
// are too many on which no key was shown, the oldest of those is cut off. So whoever
// has a key, and shows it as soon as it is connected, gets in however many do not.
type entrance struct {
	most, strangers int
	log             *logger
	metrics         *metrics

	mu      sync.Mutex
	guests  map[net.Conn]*guest
	waiting list.List // of the guests that are strangers, the oldest first
}

// A guest is one connection.
type guest struct {
	conn  net.Conn
	place *list.Element // in waiting; nil once a key was shown, or it is cut off
}

func newEntrance(most int, log *logger, m *metrics) *entrance {
	return &entrance{most: most, strangers: max(most/4, 1), log: log, metrics: m, guests: make(map[net.Conn]*guest)}
}

// state is for http.Server.ConnState.
func (e *entrance) state(conn net.Conn, state http.ConnState) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch state {
	case http.StateNew:
		g := &guest{conn: conn}
		g.place = e.waiting.PushBack(g)
		e.guests[conn] = g
		for e.waiting.Len() > e.strangers {
			e.cut(e.waiting.Front().Value.(*guest))
		}
	case http.StateClosed, http.StateHijacked:
		if g := e.guests[conn]; g != nil && g.place != nil {
			e.waiting.Remove(g.place)
		}
		delete(e.guests, conn)
	}
}

// cut ends a stranger's connection. It needs e.mu.
func (e *entrance) cut(g *guest) {
	e.waiting.Remove(g.place)
	g.place = nil
	conn := g.conn
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = t.NetConn() // TLS would say goodbye, and wait for it to be heard
	}
	_ = conn.Close() // whoever reads from it hears of it
	e.metrics.problem("crowded")
	e.log.bounded("crowded", slog.LevelWarn, "too many connections without a key: the oldest is cut off",
		"remote", conn.RemoteAddr().String())
}

// connKey is where the context of a request has its connection.
type connKey struct{}

// context is for http.Server.ConnContext.
func (*entrance) context(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// welcome notes that a key was shown on the connection of a request, which then stays
// as long as there are not too many of those.
func (e *entrance) welcome(ctx context.Context) {
	conn, ok := ctx.Value(connKey{}).(net.Conn)
	if !ok {
		return // it is the server of somebody else
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	g := e.guests[conn]
	if g == nil || g.place == nil || len(e.guests)-e.waiting.Len() >= e.most-e.strangers {
		return
	}
	e.waiting.Remove(g.place)
	g.place = nil
}
