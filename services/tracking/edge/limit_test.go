package edge

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/time/rate"
	"pgregory.net/rapid"

	"github.com/touchline/touchline/services/tracking/intake"
)

// Whatever the requests: no source gets more than its burst and its rate, one source
// does not take from another, and a request that waits as it is told passes.
func TestRates(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		perSecond := rapid.IntRange(1, 5000).Draw(t, "rate")
		r := &rates{perSecond: perSecond, limiters: map[uuid.UUID]*rate.Limiter{}}
		now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
		begun, passed := now, 0
		sources := []uuid.UUID{uuid.New(), uuid.New()}
		for range rapid.IntRange(1, 40).Draw(t, "requests") {
			now = now.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "pause")) * time.Millisecond)
			items := rapid.IntRange(0, intake.MaxItems).Draw(t, "items")
			wait := r.take(sources[0], items, now)
			if wait == 0 {
				passed += items
			} else if again := r.take(sources[0], items, now.Add(wait+time.Microsecond)); again != 0 {
				t.Fatalf("%d items wait %s more after %s", items, again, wait)
			} else {
				now = now.Add(wait + time.Microsecond)
				passed += items
			}
		}
		burst := max(2*perSecond, intake.MaxItems)
		if most := float64(burst) + now.Sub(begun).Seconds()*float64(perSecond) + 1; float64(passed) > most {
			t.Fatalf("%d items passed, at most %.0f may", passed, most)
		}
		if wait := r.take(sources[1], burst, begun); wait > 0 {
			t.Fatalf("another source waits %s", wait)
		}
	})
}

func TestEdge_RefusesWhatIsTooFast(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.SourceRate = 1 })
	body := `{"batch":[` + strings.Repeat(`{"type":"track","event":"e","userId":"u"},`, 2999) + `{"type":"track","event":"e","userId":"u"}]}`
	want(t, b.do(http.MethodPost, "/v1/batch", body, "Authorization", basic("server-key")), http.StatusOK)
	answer := b.do(http.MethodPost, "/v1/batch", body, "Authorization", basic("server-key"))
	want(t, answer, http.StatusTooManyRequests)
	if answer.Header().Get("Retry-After") == "" || len(b.appender.all()) != 3000 {
		t.Errorf("Retry-After %q, %d hits kept", answer.Header().Get("Retry-After"), len(b.appender.all()))
	}
}

func TestEdge_RefusesWhatMemoryCannotHold(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.MaxMemory = 1000 })
	long := fmt.Sprintf(`{"event":"e","userId":"u","properties":{"x":%q}}`, strings.Repeat("x", 1000))
	answer := b.do(http.MethodPost, "/v1/track", long, "Authorization", basic("server-key"))
	want(t, answer, http.StatusServiceUnavailable)
	if answer.Header().Get("Retry-After") == "" || len(b.appender.all()) != 0 {
		t.Errorf("Retry-After %q, %d hits kept", answer.Header().Get("Retry-After"), len(b.appender.all()))
	}
	for range 3 { // what was answered takes no room any more
		want(t, b.do(http.MethodPost, "/v1/track", `{"event":"e","userId":"u"}`, "Authorization", basic("server-key")), http.StatusOK)
	}
}

// What is packed and does not say so needs the room of what comes out of it.
func TestEdge_CountsWhatIsPackedUnlabelled(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.MaxMemory = 100 << 10 })
	packed := pack(t, `{"event":"e","userId":"u"}`)
	want(t, b.do(http.MethodPost, "/v1/track?key=server-key", packed), http.StatusServiceUnavailable)
	want(t, b.do(http.MethodPost, "/v1/track?key=server-key", `{"event":"e","userId":"u"}`), http.StatusOK)
	roomy := newBench(t, func(c *Config) { c.MaxMemory = 500 << 10 })
	for range 3 {
		want(t, roomy.do(http.MethodPost, "/v1/track?key=server-key", packed), http.StatusOK)
	}
}
