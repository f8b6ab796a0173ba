package httpserver

import (
	"io"
	"log/slog"
	"strings"
)

// redacted stands in the log for what must not be there.
const redacted = "[redacted]"

// secretWords are parts of the names of attributes whose values are never logged:
// credentials, and what identifies a person.
func secretWords() []string {
	return []string{
		"authorization", "cookie", "token", "secret", "password", "passwd", "signature", "write_key", "writekey",
		"api_key", "apikey", "private_key", "database_url", "redis_url", "dsn",
		"phone", "email", "e-mail", "wa_id", "user_id", "userid", "identifier", "bsuid", "msisdn",
	}
}

// NewLogger returns a logger that writes one JSON object per line, with the name of
// the service and without the values of attributes whose names say that they are
// secret or personal. That is a net, not a licence: texts are not searched.
func NewLogger(w io.Writer, level slog.Leveler, service string) *slog.Logger {
	words := secretWords()
	replace := func(_ []string, a slog.Attr) slog.Attr {
		name := strings.ToLower(a.Key)
		for _, word := range words {
			if strings.Contains(name, word) {
				return slog.String(a.Key, redacted)
			}
		}
		return a
	}
	h := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: replace})
	return slog.New(h).With("service", service)
}
