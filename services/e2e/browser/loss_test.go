package browser

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// transport is how a page that goes sends what it has.
type transport struct {
	name string
	head string
}

var transports = []transport{
	{name: "fetch keepalive"},
	// A browser of before fetch could outlive its page, like Firefox before 133.
	{name: "beacon", head: `<script>(function (real) {
		delete Request.prototype.keepalive;
		window.fetch = function (url, options) { delete options.keepalive; return real(url, options) };
	})(fetch)</script>`},
}

// ending is how visits end.
type ending struct {
	name    string
	atLeast float64 // share of events that arrive exactly once
	refused float64 // share of requests that are answered 503
	// play makes the n-th visit, whose link and button make an event; b is the tab of the
	// visits before, or none.
	play func(w *world, b *tab, n int)
	body func(n int) string // added to the page
}

var (
	left       = ending{name: "left by the click", atLeast: 0.995, play: leave}
	killed     = ending{name: "killed after the click, 30 % 503", atLeast: 0.98, refused: 0.3, play: kill}
	diedItself = ending{name: killed.name, atLeast: killed.atLeast, refused: killed.refused, play: killWhatClicked, body: clicksItself}
)

func leave(w *world, b *tab, n int) {
	if b.driver == nil {
		*b = w.tab()
	}
	b.open(w.site.url(visited(n)))
	b.click("a")
	w.eventually("the page that the click led to", func() bool {
		var there bool
		err := b.try("location.pathname === '/gone' && document.readyState === 'complete'", &there)
		return err == nil && there // there is no page to ask in between
	})
}

func kill(w *world, b *tab, n int) {
	*b = w.tab()
	b.open(w.site.url(visited(n)))
	b.click("button")
	b.kill()
}

// clicksItself is for a browser whose tabs can't be asked for anything.
func clicksItself(n int) string {
	return fmt.Sprintf(`<script>addEventListener('load', function () { document.querySelector('button').click(); fetch('/clicked%d', {}) })</script>`, n)
}

func killWhatClicked(w *world, b *tab, n int) {
	*b = w.tab()
	b.open(w.site.url(visited(n)))
	w.eventually("the click", func() bool { return len(w.site.visits(fmt.Sprintf("/clicked%d", n))) > 0 })
	b.kill()
}

func visited(n int) string { return fmt.Sprintf("/v%d", n) }

// A visitor's visits, each a view and a click, by transport: how many of the events
// arrive, and how many of them more than once. Who is killed comes back in the end, as
// somebody who lost a tab does.
func TestPixel_Loss(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		engine *engine
		ending ending
	}{
		{chromium, left},
		{firefox, left},
		{webkit, left},
		{chromium, killed},
		{firefox, killed},
		{minibrowser, diedItself},
	} {
		for _, by := range transports {
			t.Run(fmt.Sprintf("%s %s by %s", c.engine.name, c.ending.name, by.name), func(t *testing.T) {
				t.Parallel()
				if c.engine == minibrowser { // whose visitors have no others beside them
					measureLoss(newWorld(t, c.engine.own(t, func(*settings) {})), c.ending, by)
					return
				}
				d := c.engine.driver(t)
				c.engine.turn.Lock()
				defer c.engine.turn.Unlock()
				measureLoss(newWorld(t, d), c.ending, by)
			})
		}
	}
}

// visitCount is how many visits each way of measuring has; the two transports share them.
func visitCount(t testing.TB) int {
	text := os.Getenv("TOUCHLINE_VISITS")
	if text == "" {
		text = "100"
	}
	count, err := strconv.Atoi(text)
	if err != nil || count < 2 {
		t.Fatalf("TOUCHLINE_VISITS=%q is no number of visits", text)
	}
	return count / len(transports)
}

func measureLoss(w *world, how ending, by transport) {
	w.t.Helper()
	visits := visitCount(w.t)
	chance := rand.New(rand.NewPCG(6, uint64(visits)))
	w.proxy.set(func(int, *request) verdict {
		if chance.Float64() < how.refused {
			return refuse
		}
		return pass
	})
	w.site.set("/gone", page{noTag: true})
	var b tab
	for n := range visits {
		p := page{head: by.head, body: fmt.Sprintf(`<a href="/gone" data-tl-event="click" data-tl-prop-n="%d">go</a>
			<button data-tl-event="click" data-tl-prop-n="%d">stay</button>`, n, n)}
		if how.body != nil {
			p.body += how.body(n)
		}
		w.site.set(visited(n), p)
		how.play(w, &b, n)
	}
	// Whatever is still to come comes with this page.
	w.visit("/the-end", page{head: by.head, body: `<script>(function look() {
		Object.keys(localStorage).some(function (name) { return name.startsWith('_tlq') }) || !window.touchline ? setTimeout(look, 100) : fetch('/empty', {})
	})()</script>`})
	const last = "page /the-end"
	w.eventually(last, func() bool { return slices.Contains(names(w.facts()), last) })
	w.eventually("an empty queue", func() bool { return len(w.site.visits("/empty")) > 0 })
	w.settle()
	w.count(how, by, visits)
}

// count compares the facts of the visits with what happened.
func (w *world) count(how ending, by transport, visits int) {
	w.t.Helper()
	times := map[string]int{}
	for _, f := range w.facts() {
		times[f.name()]++
	}
	row := lossRow{browser: w.driver.version, ending: how.name, transport: by.name, visits: visits}
	var missing []string
	for n := range visits {
		for _, name := range []string{fmt.Sprintf("page /v%d", n), fmt.Sprintf("click%d", n)} {
			switch times[name] {
			case 0:
				missing = append(missing, name)
			case 1:
				row.once++
			default:
				row.more++
			}
		}
	}
	ids := map[string]int{}
	for _, r := range w.proxy.seen() {
		for _, event := range r.Batch {
			if r.status == 200 {
				ids[event.MessageID]++
			}
		}
		if r.verdict == refuse {
			row.refused++
		}
		if r.noCORS {
			row.beacons++
		}
		row.requests++
	}
	for _, sent := range ids {
		row.copies += sent - 1
	}
	loss.add(row)
	// Of a hundred events one is more than half a per cent, and no figure yet.
	if allowed := max(1, int((1-how.atLeast)*float64(2*visits))); len(missing) > allowed || row.more > 0 {
		w.t.Errorf("%s; missing %q", row, missing)
	}
	if by.name == "beacon" && row.beacons == 0 && how.name == "left by the click" {
		w.t.Error("no request was a beacon: the test shows nothing")
	}
}

// lossRow is a line of the table.
type lossRow struct {
	browser, ending, transport string
	visits, once, more, copies int
	requests, refused, beacons int
}

// share is that of events that arrived exactly once.
func (r lossRow) share() float64 { return float64(r.once) / float64(2*r.visits) }

func (r lossRow) String() string {
	return fmt.Sprintf("| %s | %s | %s | %d | %d | %d | %d | %.2f %% | %d | %d | %d | %d |",
		r.browser, r.ending, r.transport, r.visits, 2*r.visits, r.once, r.more, 100*r.share(), r.copies, r.requests, r.refused, r.beacons)
}

// loss collects the rows of all browsers.
var loss losses

type losses struct {
	mu   sync.Mutex
	rows []lossRow
}

func (l *losses) add(r lossRow) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rows = append(l.rows, r)
}

// lossTable is the table in Markdown, "" when nothing was measured.
func lossTable() string {
	loss.mu.Lock()
	defer loss.mu.Unlock()
	if len(loss.rows) == 0 {
		return ""
	}
	lines := []string{
		"| browser | visits were | transport | visits | events | exactly once | more than once | share | copies recognised | requests | refused | beacons |",
		"|---|---|---|---|---|---|---|---|---|---|---|---|",
	}
	for _, r := range loss.rows {
		lines = append(lines, r.String())
	}
	slices.Sort(lines[2:])
	return strings.Join(lines, "\n") + "\n" + time.Now().UTC().Format("measured 2006-01-02\n")
}
