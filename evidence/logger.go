package evidence

import (
	"context"
	"log/slog"
)

// A logger says what a person should know of, without content. It does without
// a slog.Logger, and with one that panics.
type logger struct{ to *slog.Logger }

func (l logger) warn(msg string, args ...any) { l.say(slog.LevelWarn, msg, args...) }
func (l logger) info(msg string, args ...any) { l.say(slog.LevelInfo, msg, args...) }

func (l logger) say(level slog.Level, msg string, args ...any) {
	if l.to == nil {
		return
	}
	defer func() { _ = recover() }() // a handler that panics must not stop us
	l.to.Log(context.Background(), level, "evidence: "+msg, args...)
}
