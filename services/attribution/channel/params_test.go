package channel

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParamsOf(t *testing.T) {
	t.Parallel()
	const page = "https://shop.example/?utm_source=a&gclid=1"
	for _, test := range []struct {
		name, other string
		equal       bool
	}{
		{"another page", "https://shop.example/p?utm_source=a&gclid=1", true},
		{"another order", "https://shop.example/?gclid=1&utm_source=a", true},
		{"twice", "https://shop.example/?gclid=1&utm_source=a&gclid=1", true},
		{"other parameters", "https://shop.example/?page=2&utm_source=a&gclid=1&mt=t", true},
		{"a fragment", "https://shop.example/?utm_source=a&gclid=1#utm_medium=b", true},
		{"encoded otherwise", "https://shop.example/?utm%5Fsource=%61&gclid=1", true},
		{"an empty one", "https://shop.example/?utm_source=a&gclid=1&utm_medium=&utm_term", true},
		{"one more", "https://shop.example/?utm_source=a&gclid=1&utm_medium=b", false},
		{"one less", "https://shop.example/?utm_source=a", false},
		{"another value", "https://shop.example/?utm_source=A&gclid=1", false},
		{"two values", "https://shop.example/?utm_source=a&utm_source=b&gclid=1", false},
		{"values exchanged", "https://shop.example/?utm_source=1&gclid=a", false},
		{"one value that looks like two pairs", "https://shop.example/?gclid=1%00utm_source=a", false},
	} {
		if got := ParamsOf(page).Equal(ParamsOf(test.other)); got != test.equal {
			t.Errorf("%s: equal = %v", test.name, got)
		}
	}
	for _, empty := range []string{"", "https://shop.example/", "https://shop.example/?", "?mt=t", "?UTM_SOURCE=a", "?xutm_source=a", "#?gclid=1", "?utm_source=", "?%zz=1"} {
		if !ParamsOf(empty).Empty() || !ParamsOf(empty).Equal(Params{}) {
			t.Errorf("%q has parameters", empty)
		}
	}
}

func TestParams_With(t *testing.T) {
	t.Parallel()
	none, some := Params{}, ParamsOf("?utm_source=a&gclid=1")
	if none.With("mt", "t").Empty() || !none.With("mt", "t").Equal(none.With("mt", "t").With("mt", "t")) {
		t.Error("one mt is not the set of it")
	}
	if some.With("mt", "t").Equal(some) || some.With("mt", "t").Equal(some.With("mt", "u")) {
		t.Error("mt does not count")
	}
	if !none.With("gclid", "1").With("utm_source", "a").Equal(some) {
		t.Error("With does not keep the order of pairs")
	}
	if got, _, _ := Classify("", "", some.With("mt", "t"), Ignored{}); got != Unassigned {
		t.Errorf("got %s", got)
	}
}

func TestParams_OrderDoesNotMatter(t *testing.T) {
	t.Parallel()
	pair := rapid.StringMatching(`(utm_[a-c]|gclid|mt|page)=[a-c%=]{0,2}`)
	rapid.Check(t, func(t *rapid.T) {
		pairs := rapid.SliceOf(pair).Draw(t, "pairs")
		other := rapid.Permutation(pairs).Draw(t, "other")
		if !ParamsOf("/?" + strings.Join(pairs, "&")).Equal(ParamsOf("/?" + strings.Join(other, "&"))) {
			t.Fatalf("%q and %q differ", pairs, other)
		}
	})
}
