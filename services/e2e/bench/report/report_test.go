package report

import (
	"strings"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	for want, values := range map[float64][]float64{0: nil, 2: {3, 1, 2}, 2.5: {4, 1, 2, 3}, 7: {7}} {
		if got := Median(values); got != want {
			t.Errorf("median of %v is %v, want %v", values, got, want)
		}
	}
}

// sides has one reference that halves its speed in the second round, as does the
// candidate, which is half as fast and costs four times as much.
func sides() (candidate, reference *Side) {
	sample := func(wall time.Duration, cpu time.Duration) Sample {
		return Sample{Count: 1000, Wall: wall, CPU: map[string]time.Duration{"edge": cpu, "redis": cpu}, Extra: map[string]float64{"p99 ms": 9}}
	}
	return &Side{Name: "touchline", Samples: []Sample{sample(2*time.Second, 40*time.Millisecond), sample(4*time.Second, 40*time.Millisecond)}},
		&Side{Name: "bare", Samples: []Sample{sample(time.Second, 10*time.Millisecond), sample(2*time.Second, 10*time.Millisecond)}}
}

func TestRow_Ratio(t *testing.T) {
	t.Parallel()
	candidate, reference := sides()
	r := Row{Name: "edge", Unit: "requests", Goal: 0.4, Candidate: candidate, Reference: reference}
	if got := r.Ratio(); got != 0.5 {
		t.Errorf("ratio %v, want 0.5", got)
	}
	r.ByCost = true
	if got := r.Ratio(); got != 4 {
		t.Errorf("ratio of cost %v, want 4", got)
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	candidate, reference := sides()
	r := Row{
		Name: "edge", Unit: "requests", Mark: "at least 0.40", Goal: 0.4, Candidate: candidate, Reference: reference,
		Limits: []Limit{{Extra: "p99 ms", Most: 8}, {Extra: "rate", Least: 100}},
	}
	got := Table([]*Row{&r})
	for _, want := range []string{
		"| edge | bare | 750 requests | 20.0 | edge 10.0, redis 10.0; p99 ms 9 |  |  | reference |",
		"| edge | **touchline** | 375 requests | 80.0 | edge 40.0, redis 40.0; p99 ms 9 | 0.5 | 4 | at least 0.40. kept: ratio 0.5; **missed**: p99 ms 9, at most 8; kept: rate 375 |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no line %s in\n%s", want, got)
		}
	}
	r.AtMost, r.Goal = true, 0.4
	if got := r.verdict(); !strings.Contains(got, "**missed**: ratio 0.5, at most 0.4") {
		t.Error(got)
	}
}

// What the smoke test goes by: nothing may be missing.
func TestRow_Check(t *testing.T) {
	t.Parallel()
	candidate, reference := sides()
	good := Row{Goal: 0.4, Candidate: candidate, Reference: reference, Limits: []Limit{{Extra: "p99 ms", Most: 8}}}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for name, bad := range map[string]Row{
		"nothing measured":   {Candidate: &Side{}, Reference: reference},
		"no reference":       {Candidate: candidate, Reference: &Side{}},
		"nothing done":       {Candidate: &Side{Samples: []Sample{{Wall: time.Second}}}},
		"a side without any": {Candidate: candidate, Others: []*Side{{}}},
		"no such figure":     {Candidate: candidate, Limits: []Limit{{Extra: "none", Most: 1}}},
	} {
		if bad.Check() == nil {
			t.Errorf("%s: passes", name)
		}
	}
}

func TestReplace(t *testing.T) {
	t.Parallel()
	first, err := Replace("", "old")
	if err != nil {
		t.Fatal(err)
	}
	second, err := Replace("# By hand\n"+first+"more by hand\n", "new")
	if err != nil || !strings.HasPrefix(second, "# By hand\n") || !strings.HasSuffix(second, "more by hand\n") ||
		!strings.Contains(second, "\nnew\n") || strings.Contains(second, "old") {
		t.Errorf("%v:\n%s", err, second)
	}
	for _, broken := range []string{"text", begin, end + begin} {
		if got, err := Replace(broken, "new"); err == nil {
			t.Errorf("%q becomes %q", broken, got)
		}
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for want, x := range map[string]float64{"0": 0, "0.123": 0.12345, "1.5": 1.5, "12.3": 12.34, "999": 999.4, "1,000": 1000, "12,345,678": 12345678} {
		if got := number(x); got != want {
			t.Errorf("%v is written %s, want %s", x, got, want)
		}
	}
}

func TestFacts(t *testing.T) {
	t.Parallel()
	if got := Facts([][2]string{{"cores", "2"}, {"Go", "1"}}); got != "- cores: 2\n- Go: 1\n" {
		t.Error(got)
	}
}
