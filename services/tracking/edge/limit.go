package edge

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"github.com/touchline/touchline/services/internal/httpserver"
	"github.com/touchline/touchline/services/tracking/intake"
)

// rates bounds the items of each source. It holds no more limiters than there are
// sources: only those that proved who they are get one.
type rates struct {
	perSecond int // 0: no limit

	mu       sync.Mutex
	limiters map[uuid.UUID]*rate.Limiter
}

// take lets items of a source pass, or says how long to wait.
func (r *rates) take(source uuid.UUID, items int, now time.Time) (wait time.Duration) {
	if r.perSecond == 0 || items == 0 {
		return 0
	}
	// Never so small that a request of the largest size could not pass at all.
	burst := max(2*r.perSecond, intake.MaxItems)
	r.mu.Lock()
	l, known := r.limiters[source]
	if !known {
		l = rate.NewLimiter(rate.Limit(r.perSecond), burst)
		r.limiters[source] = l
	}
	r.mu.Unlock()
	taken := l.ReserveN(now, min(items, burst))
	if wait = taken.DelayFrom(now); wait > 0 {
		taken.CancelAt(now)
	}
	return wait
}

// tooFast is the answer to a source that sends more than it may.
func (r *rates) tooFast(wait time.Duration) error {
	p := httpserver.NewProblem(http.StatusTooManyRequests,
		fmt.Sprintf("This source sends more than %d items a second. Nothing of this request was kept: send the same again later.", r.perSecond))
	p.RetryAfter = max(wait, time.Second)
	return p
}

// budget bounds the bytes of the bodies that are in memory at one time.
type budget struct {
	most int64 // 0: no limit
	used atomic.Int64
}

// reserve takes room for size bytes; ok is false when there is none.
func (b *budget) reserve(size int64) (ok bool) {
	if used := b.used.Add(size); b.most > 0 && used > b.most {
		b.used.Add(-size)
		return false
	}
	return true
}

// roomKey is where the context of a request says how many more bytes it has room for than
// it began with.
const roomKey = "room"

// room lets a request pass for whose body there is memory: for as many bytes as it
// states or, when it states none or is packed, as it may have at most.
func (e *Edge) room(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		size := e.cfg.MaxBody
		if strings.HasPrefix(r.URL.Path, "/webhooks/") {
			size = e.cfg.MaxWebhook
		}
		if r.ContentLength >= 0 && r.Header.Get(echo.HeaderContentEncoding) == "" {
			size = min(size, r.ContentLength)
		}
		if !e.bodies.reserve(size) {
			return e.noRoom()
		}
		defer func() {
			if more, ok := c.Get(roomKey).(int64); ok {
				size += more
			}
			e.bodies.used.Add(-size)
		}()
		return next(c)
	}
}

func (e *Edge) noRoom() error {
	e.Metrics.shed.WithLabelValues("memory").Inc()
	return httpserver.Unavailable("Too much is being received at the moment. Send the same again.", retryAfter)
}

// body reads a request's body, unpacked. One that is packed and did not say so has
// room for its packed bytes alone, and is given more before it is unpacked.
func (e *Edge) body(c echo.Context) ([]byte, error) {
	raw, err := httpserver.ReadRaw(c, e.cfg.MaxBody)
	if err != nil {
		return nil, err
	}
	if r := c.Request(); httpserver.IsGzip(raw) && r.ContentLength >= 0 && r.Header.Get(echo.HeaderContentEncoding) == "" {
		more := e.cfg.MaxBody - int64(len(raw))
		if !e.bodies.reserve(more) {
			return nil, e.noRoom()
		}
		c.Set(roomKey, more)
	}
	return httpserver.Inflate(raw, c.Request().Header.Get(echo.HeaderContentEncoding), e.cfg.MaxBody)
}
