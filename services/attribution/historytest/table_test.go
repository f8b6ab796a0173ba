package historytest_test

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strings"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/reftest"
	"github.com/touchline/touchline/services/internal/hit"
)

// table reads the live rows of a group, by the prefix of their history.
func (p *play) table(g *group, version int) map[string]map[reftest.Row]int {
	p.t.Helper()
	found, err := p.rows.Query(p.ctx, `select definition, conversion_id, event_name, model, channel, coalesce(tier, ''), touch_key, weight::text,
		coalesce(credited_value::text, ''), coalesce(currency, ''), in_thread,
		coalesce((extract(epoch from touch_at) * 1000000)::bigint, 0), person_id
		from attribution where workspace_id = $1 and version = $2`, g.workspace, version)
	if err != nil {
		p.t.Fatal(err)
	}
	defer found.Close()
	rows := map[string]map[reftest.Row]int{}
	for found.Next() {
		var r reftest.Row
		var at int64
		var person *uuid.UUID
		err := found.Scan(&r.Definition, &r.ConversionID, &r.Event, &r.Model, &r.Channel, &r.Tier, &r.TouchKey, &r.Weight,
			&r.Credited, &r.Currency, &r.InThread, &at, &person)
		if err != nil {
			p.t.Fatal(err)
		}
		// Two refunds of one event id have one conversion id by the contract; the product
		// numbers the second.
		r.ConversionID, _, _ = strings.Cut(r.ConversionID, "#")
		if amount, ok := new(big.Rat).SetString(r.Credited); ok {
			r.Credited = amount.RatString()
		}
		if r.TouchAt = hit.Instant(at); person != nil {
			r.Person = *person
		}
		prefix := prefixIn(r.ConversionID)
		if rows[prefix] == nil {
			rows[prefix] = map[reftest.Row]int{}
		}
		rows[prefix][r]++
		p.met.add("row", 1)
	}
	if err := found.Err(); err != nil {
		p.t.Fatal(err)
	}
	return rows
}

// difference shows in which rows two tables differ, "" for equal ones.
func difference(want, got map[reftest.Row]int) string {
	equal := len(want) == len(got)
	for r, n := range want {
		equal = equal && got[r] == n
	}
	if equal {
		return ""
	}
	return gocmp.Diff(sorted(want), sorted(got))
}

// sorted puts rows in an order of their own, by what they say.
func sorted(rows map[reftest.Row]int) []reftest.Row {
	var all []reftest.Row
	for r, n := range rows {
		for range n {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b reftest.Row) int {
		return cmp.Or(
			strings.Compare(a.Definition, b.Definition), strings.Compare(a.ConversionID, b.ConversionID), strings.Compare(a.Model, b.Model),
			cmp.Compare(a.TouchAt, b.TouchAt), strings.Compare(a.TouchKey, b.TouchKey), strings.Compare(fmt.Sprint(a), fmt.Sprint(b)),
		)
	})
	return all
}

// rebuilt are queries that count in what two versions of a workspace differ: $1 the
// workspace, $2 and $3 the versions.
var rebuilt = map[string]string{
	"attribution": differing("to_jsonb(x) - 'version'", "attribution x", "x.version = $%d"),
	"message":     differing("to_jsonb(x) - 'version' - 'computed_at'", "message x", "x.version = $%d"),
	"person":      differing("to_jsonb(x) - 'identity_version'", "identifier_person x", ofIdentity),
	"link":        differing("to_jsonb(x) - 'identity_version'", "link x", ofIdentity),
	"claim":       differing("to_jsonb(x) - 'identity_version'", "claim x", ofIdentity),
}

const ofIdentity = "x.identity_version = (select p.identity_version from policy p where p.workspace_id = $1 and p.version = $%d)"

func differing(what, from, of string) string {
	one := fmt.Sprintf("select %s as line, 1 as n from %s where x.workspace_id = $1 and "+of, what, from, 2)
	two := fmt.Sprintf("select %s, -1 from %s where x.workspace_id = $1 and "+of, what, from, 3)
	return fmt.Sprintf(`select coalesce(array_agg(line::text order by line::text), '{}')
		from (select line from (%s union all %s) both_of_them group by line having sum(n) <> 0) d`, one, two)
}

// happened counts what the database shows to have happened.
var happened = map[string]string{
	"merge":                    `select count(*) from (select from identifier_person group by workspace_id, identity_version, person_id having count(*) > 1) x`,
	"refused link":             `select count(*) from link where state = 'refused'`,
	"shared identifier":        `select count(*) from identifier_person where shared`,
	"conversion rewritten":     `select count(*) from conversion where revision > 1`,
	"conversion changes owner": `select count(distinct (a.workspace_id, a.version, a.definition, a.conversion_id)) from conversion a join conversion b using (workspace_id, version, definition, conversion_id) where b.revision > a.revision and b.person_id <> a.person_id`,
	"refund before its order":  `select count(distinct (a.workspace_id, a.version, a.definition, a.conversion_id)) from conversion a join conversion b using (workspace_id, version, definition, conversion_id) where a.refund and b.refund and b.revision > a.revision and a.order_id is not null and a.value is distinct from b.value`,
	"click claim":              `select count(*) from claim where not identify`,
	"build given up":           `select count(*) from policy where state <> 'building' and published_at is null`,
	"late campaign of a reply": `select count(distinct (a.workspace_id, a.definition, a.conversion_id)) from credit a join credit b using (workspace_id, version, definition, conversion_id, touch_key)
		where a.tier = 'reply' and b.tier = 'reply' and b.revision > a.revision and coalesce(a.campaign, '') = '' and b.campaign <> ''`,
	"refused link of a busy person": `select count(*) from link l join identifier_person i on i.workspace_id = l.workspace_id and i.identity_version = l.identity_version and i.digest = l.b
		where l.state = 'refused' and 3 <= (select count(*) from conversion c where c.workspace_id = l.workspace_id and c.person_id = i.person_id and c.superseded_at is null)`,
	"quarantined": `select count(*) from quarantine`,
}

// note counts what happened in a play.
func (p *play) note() {
	p.t.Helper()
	for what, query := range happened {
		var n int
		if err := p.rows.QueryRow(p.ctx, query).Scan(&n); err != nil {
			p.t.Fatalf("%s: %v", what, err)
		}
		p.met.add(what, n)
	}
}
