package sql_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write schema.sql anew")

const schemaHeader = `-- The schema for reading: the up halves of migrations/, one after the other.
-- Generated; after changing a migration run: go test -run TestSchema -update .
`

// schema.sql is what somebody reads who wants to know the tables, so it must not lag
// behind the migrations.
func TestSchema_isCurrent(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("migrations/*.sql")
	if err != nil || len(names) == 0 {
		t.Fatalf("no migrations found: %v", err)
	}
	var want strings.Builder
	want.WriteString(schemaHeader)
	for _, name := range names {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		up, _, found := strings.Cut(string(body), "---- create above / drop below ----")
		if !found {
			t.Errorf("%s has no way down", name)
		}
		want.WriteString("\n-- " + strings.Repeat("-", 70) + "\n-- " + filepath.Base(name) + "\n\n" + strings.TrimSpace(up) + "\n")
	}
	if *update {
		if err := os.WriteFile("schema.sql", []byte(want.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("schema.sql")
	if err != nil || string(got) != want.String() {
		t.Error("schema.sql is stale: run go test -run TestSchema -update .")
	}
}
