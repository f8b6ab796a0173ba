package browser

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"
)

// fact is a row of PostgreSQL's table fact, as far as tests look at it.
type fact struct {
	At    time.Time `json:"-"`
	Kind  string    `json:"-"`
	Flags []string  `json:"-"`

	ID     string          `json:"id"`
	Device json.RawMessage `json:"device"` // a keyed digest
	Page   *struct {
		URL        string     `json:"url"`
		Referrer   string     `json:"referrer"`
		Title      string     `json:"title"`
		Properties properties `json:"properties"`
	} `json:"page"`
	Event *struct {
		Name       string     `json:"name"`
		Properties properties `json:"properties"`
	} `json:"event"`
	Identify    *struct{ Call string } `json:"identify"`
	Identifiers []json.RawMessage      `json:"identifiers"` // keyed digests
	Consent     struct {
		State string `json:"state"`
		GPC   bool   `json:"gpc"`
	} `json:"consent"`
}

// properties are those that tests look at.
type properties struct {
	URL     string          `json:"url"`
	N       json.RawMessage `json:"n"`
	OrderID string          `json:"order_id"`
	List    json.RawMessage `json:"list"`
	Session struct {
		ID       string `json:"id"`
		Landing  string `json:"landing"`
		Referrer string `json:"referrer"`
	} `json:"session"`
}

// name is what tests call a fact by: "page /path?query", the event's name and its
// property n, or the call.
func (f fact) name() string {
	switch {
	case f.Page != nil:
		u, err := url.Parse(f.Page.URL)
		if err != nil {
			return "page " + f.Page.URL
		}
		return "page " + u.RequestURI()
	case f.Event != nil:
		return f.Event.Name + strings.Trim(string(f.Event.Properties.N), `"`)
	case f.Identify != nil:
		return f.Identify.Call
	default:
		return f.Kind
	}
}

// session is the visit that a fact says it belongs to.
func (f fact) session() properties {
	switch {
	case f.Page != nil:
		return f.Page.Properties
	case f.Event != nil:
		return f.Event.Properties
	default:
		return properties{}
	}
}

func names(facts []fact) []string {
	var all []string
	for _, f := range facts {
		all = append(all, f.name())
	}
	return all
}

// one finds the only fact of a name.
func one(facts []fact, name string) fact {
	for _, f := range facts {
		if f.name() == name {
			return f
		}
	}
	return fact{}
}

// facts reads those of the workspace from PostgreSQL, in the order in which they happened.
func (w *world) facts() []fact {
	w.t.Helper()
	rows, err := suite.database.Query(w.t.Context(),
		"select kind, occurred_at, flags, body from fact where workspace_id = $1 order by occurred_at, fact_id", w.workspace)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	var all []fact
	for rows.Next() {
		var f fact
		var body []byte
		if err := rows.Scan(&f.Kind, &f.At, &f.Flags, &body); err != nil {
			w.t.Fatal(err)
		}
		if err := json.Unmarshal(body, &f); err != nil {
			w.t.Fatalf("%v in %s", err, body)
		}
		all = append(all, f)
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return all
}
