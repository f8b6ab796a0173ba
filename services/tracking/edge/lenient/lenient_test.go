package lenient

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRead(t *testing.T) {
	t.Parallel()
	o, ok := Read([]byte(" { \"a\" : 1 ,\"A\":\"x\\u00e9\\n\", \"o\":{\"k\":[1,\"}\"]}, \"n\":null,\"t\":true, \"a\":2.50 , \"æ\":\"ø\", \"e\\u0061\":[ ] } "))
	if !ok {
		t.Fatal("not read as an object")
	}
	if got := o.Text("a"); got != "2.50" {
		t.Errorf("a = %q, want the last of the repeated keys, as written", got)
	}
	if got := o.Text("A"); got != "xé\n" {
		t.Errorf("A = %q: keys must compare with case and strings be decoded", got)
	}
	if got := o.Text("æ"); got != "ø" {
		t.Errorf("æ = %q", got)
	}
	if got := string(o.Get("ea")); got != "[ ]" {
		t.Errorf("escaped key: %q", got)
	}
	if o.Has("n") || o.Has("missing") || !o.Has("t") || !o.True("t") || o.True("a") {
		t.Error("null and absent members must read as absent, true as true")
	}
	if got := string(o.Object("o").Get("k")); got != `[1,"}"]` {
		t.Errorf("o.k = %q", got)
	}
	if len(o.Object("t")) != 0 {
		t.Error("a member that is no object must read as an empty one")
	}
	if _, ok := Read([]byte(`[1]`)); ok {
		t.Error("an array was read as an object")
	}
}

// One member alone is what it is among all that are read.
func TestGet(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		`{"a":1,"b":[{"a":2}],"a":3}`, ` { "b" : {"a":1} } `, `{"\u0061":"x"}`, `{"A":1}`, `{}`, `["a"]`, `"a"`, ``, `{"a":null}`,
	} {
		o, _ := Read([]byte(raw))
		for _, key := range []string{"a", "b", "A"} {
			if got, want := Get([]byte(raw), key), o.Get(key); string(got) != string(want) || (got == nil) != (want == nil) {
				t.Errorf("%s of %s is %s, want %s", key, raw, got, want)
			}
		}
	}
}

func TestElements(t *testing.T) {
	t.Parallel()
	var got []string
	for e := range Elements([]byte(` [1 , -2.5e3,"a]" ,{"b":[1]},[ ],null,true]`)) {
		got = append(got, string(e))
	}
	want := []string{"1", "-2.5e3", `"a]"`, `{"b":[1]}`, "[ ]", "null", "true"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for range Elements([]byte(`{"a":1}`)) {
		t.Error("an object has no elements")
	}
}

// FuzzMembers holds the walk against encoding/json: same keys, same values.
func FuzzMembers(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1}`, `{"a":{"b":[1,2,{"c":"\"}"}]},"d":"é"}`, `[1,[2,3],"x"]`, `{"a":1,"\u0061":2,"b":"\ud800\\"}`, ` { "a" : -1e9 , "b":null}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !Valid(raw) {
			return
		}
		var object map[string]json.RawMessage
		if json.Unmarshal(raw, &object) == nil && object != nil {
			got, ok := Read(raw)
			if !ok || got.Len() != len(object) {
				t.Fatalf("%d members, want %d", got.Len(), len(object))
			}
			for key, want := range object {
				if string(got.Get(key)) != string(want) {
					t.Fatalf("%q: %q, want %q", key, got.Get(key), want)
				}
				var spelled string
				if text, is := got.String(key); is && (json.Unmarshal(want, &spelled) != nil || text != spelled) {
					t.Fatalf("%q: %q, want %q", key, text, spelled)
				}
			}
			for key, value := range got.All() {
				if want, left := object[key]; !left || string(value) != string(want) {
					t.Fatalf("%q: %q, want %q", key, value, want)
				}
				delete(object, key)
			}
			if len(object) > 0 {
				t.Fatalf("not among all: %v", object)
			}
		}
		var array []json.RawMessage
		if json.Unmarshal(raw, &array) == nil {
			n := 0
			for e := range Elements(raw) {
				if string(e) != string(array[n]) {
					t.Fatalf("element %d: %q, want %q", n, e, array[n])
				}
				n++
			}
			if n != len(array) {
				t.Fatalf("%d elements, want %d", n, len(array))
			}
		}
		Scalar(raw)
	})
}

func TestValidItems(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)
	for _, c := range []struct {
		body      string
		ok, whole bool
	}{
		{`{"batch":[{"a":1}]}`, true, true},
		{`{"batch":[{"a":NaN},{"a":[-Infinity,Infinity]},1]}`, true, false},
		{`{"batch":[{"a":"NaN"},{"a":Nan}]}`, false, false},
		{`{"batch":[{"a":` + deep + `},{"a":NaN}]}`, true, false},
		{`{"batch":[{"a":` + strings.Repeat("[", 1500) + "NaN}" + strings.Repeat("]", 1499) + `},{}]}`, true, false},
		{`{"batch":[{"a":` + deep + `}],"x":` + deep + `}`, false, false},
		{`{"batch":[NaN],"x":NaN}`, false, false},
		{`{"batch":[NaN],"batch":[1]}`, false, false},
		{`{"batch":[NaN,]}`, false, false},
		{`{"batch":[NaNNaN]}`, false, false},
		{`{"other":[NaN]}`, false, false},
		{`[NaN]`, false, false},
		{`NaN`, false, false},
		{``, false, false},
		{strings.Repeat("[", 20_000), false, false},
	} {
		if ok, whole := ValidItems([]byte(c.body), "batch"); ok != c.ok || whole != c.whole {
			t.Errorf("%.60s: %v, %v", c.body, ok, whole)
		}
	}
}

// FuzzValidItems: of a body that is not whole, some element is at fault, and what is
// left of it without those is JSON.
func FuzzValidItems(f *testing.F) {
	for _, seed := range []string{`{"b":[1,NaN,{"a":Infinity}]}`, `{"b":[]}`, `{"b":[{"a":[NaN,"\"]"]}],"c":1}`, `{"b":[-NaN]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		ok, whole := ValidItems(body, "b")
		if whole != Valid(body) || whole && !ok {
			t.Fatal("not whole, or the reverse")
		}
		if !ok || whole {
			return
		}
		o, _ := Read(body)
		left, faults := []string{}, 0
		for element := range Elements(o.Get("b")) {
			if Valid(element) {
				left = append(left, string(element))
			} else {
				faults++
			}
		}
		if !Valid([]byte("["+strings.Join(left, ",")+"]")) || faults == 0 {
			t.Fatalf("%d faults, left %q", faults, left)
		}
		for key, value := range Members(body) {
			if key != "b" && !Valid(value) {
				t.Fatalf("%q is no JSON", key)
			}
		}
	})
}

// Of many members, too, the last of each key counts, and all are found.
func TestRead_Many(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for round := range 3 {
		for i := range 1000 {
			fmt.Fprintf(&text, `,"k%d":%d`, (i*7919)%1000, 10*i+round)
		}
	}
	o, ok := Read([]byte("{" + text.String()[1:] + `,"k5":"last"}`))
	if !ok || o.Len() != 1000 || len(o) != 1000 {
		t.Fatalf("%d members, %d of them told apart, %v", len(o), o.Len(), ok)
	}
	for i := range 1000 {
		key := fmt.Sprint("k", (i*7919)%1000)
		if got := o.Text(key); key != "k5" && got != fmt.Sprint(10*i+2) {
			t.Fatalf("%s is %s", key, got)
		}
	}
	if o.Text("k5") != "last" || o.Has("k1000") || o.Has("") {
		t.Errorf("k5 is %q, absent ones: %v, %v", o.Text("k5"), o.Has("k1000"), o.Has(""))
	}
}
