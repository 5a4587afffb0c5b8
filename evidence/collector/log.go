package collector

import (
	"context"
	"io"
	"log"
	"log/slog"
	"sync"
	"time"
)

const (
	// At most logBurst lines of one sort are logged in logEvery: whoever is refused
	// cannot fill the disk that way.
	logEvery = time.Minute
	logBurst = 10
)

// A logger logs at a bounded rate, or nothing where there is nobody to log to.
type logger struct {
	to *slog.Logger

	mu    sync.Mutex
	sorts map[string]*burst // no more than clients times problems
}

// A burst is what has been logged of one sort.
type burst struct {
	since          time.Time
	logged, passed int
}

// bounded logs a line, unless there were too many of its sort.
func (l *logger) bounded(sort string, level slog.Level, msg string, attrs ...any) {
	if l.to == nil {
		return
	}
	l.mu.Lock()
	if l.sorts == nil {
		l.sorts = make(map[string]*burst)
	}
	b := l.sorts[sort]
	now := time.Now()
	if b == nil || now.Sub(b.since) >= logEvery {
		next := &burst{since: now}
		if b != nil && b.passed > 0 {
			attrs = append(attrs, "notLogged", b.passed)
		}
		b = next
		l.sorts[sort] = b
	}
	if b.logged == logBurst {
		b.passed++
		l.mu.Unlock()
		return
	}
	b.logged++
	l.mu.Unlock()
	l.to.Log(context.Background(), level, msg, attrs...)
}

// always logs a line.
func (l *logger) always(level slog.Level, msg string, attrs ...any) {
	if l.to != nil {
		l.to.Log(context.Background(), level, msg, attrs...)
	}
}

// std returns a logger for package net/http, which reports clients that break
// off.
func (l *logger) std() *log.Logger {
	if l.to == nil {
		return log.New(io.Discard, "", 0)
	}
	return slog.NewLogLogger(l.to.Handler(), slog.LevelDebug)
}
