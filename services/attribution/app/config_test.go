package app_test

import (
	"encoding/base64"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/touchline/touchline/services/attribution/app"
)

// settings lists the variables of a struct with what a README says of them: the
// default, or "required".
func settings(of reflect.Type) map[string]string {
	all := map[string]string{}
	for i := range of.NumField() {
		field := of.Field(i)
		if field.Anonymous {
			for name, value := range settings(field.Type) {
				all[name] = value
			}
			continue
		}
		name, options, _ := strings.Cut(field.Tag.Get("env"), ",")
		if name == "-" || name == "" {
			continue
		}
		all[name] = field.Tag.Get("envDefault")
		if strings.Contains(options, "required") {
			all[name] = "required"
		}
	}
	return all
}

// The README's table names exactly the variables that each command reads.
func TestREADME_HasEverySetting(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	columns := []reflect.Type{reflect.TypeFor[app.WorkerConfig](), reflect.TypeFor[app.APIConfig](), reflect.TypeFor[app.Database](), reflect.TypeFor[app.Tokens](), reflect.TypeFor[app.RecomputeConfig]()}
	got := make([]map[string]string, len(columns))
	line := regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\|([^|]*)\\|([^|]*)\\|([^|]*)\\|([^|]*)\\|([^|]*)\\|([^|]*)\\|")
	for _, cells := range line.FindAllStringSubmatch(string(raw), -1) {
		for i := range columns {
			if got[i] == nil {
				got[i] = map[string]string{}
			}
			if strings.TrimSpace(cells[3+i]) == "x" {
				got[i][cells[1]] = strings.Trim(cells[2], " `")
			}
		}
	}
	for i, column := range columns {
		if diff := cmp.Diff(settings(column), got[i]); diff != "" {
			t.Errorf("%s: %s", column.Name(), diff)
		}
	}
}

func environment(change map[string]string) map[string]string {
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	env := map[string]string{
		"DATABASE_URL": "postgres://x", "REDIS_URL": "redis://x", "TOUCHLINE_REGISTRY_KEY": key, "TOUCHLINE_IDENTITY_KEY": key,
		"TOUCHLINE_JWT_KEYS": "k=" + key,
	}
	for name, value := range change {
		env[name] = value
	}
	return env
}

func TestFromEnv_TellsEveryFaultAndNoSecret(t *testing.T) {
	t.Parallel()
	if _, err := app.FromEnv[app.APIConfig](environment(nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := app.FromEnv[app.WorkerConfig](environment(nil)); err != nil {
		t.Fatal(err)
	}
	_, err := app.FromEnv[app.APIConfig](map[string]string{"TOUCHLINE_REGISTRY_KEY": "hidden-secret", "TOUCHLINE_DRAIN": "soon"})
	for _, name := range []string{"DATABASE_URL", "REDIS_URL", "TOUCHLINE_REGISTRY_KEY", "TOUCHLINE_IDENTITY_KEY", "TOUCHLINE_JWT_KEYS", "TOUCHLINE_DRAIN"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not told of: %v", name, err)
		}
	}
	if strings.Contains(err.Error(), "hidden-secret") {
		t.Errorf("the secret is told: %v", err)
	}
	for _, change := range []map[string]string{
		{"TOUCHLINE_JWT_KEYS": "k=c2hvcnQ="},
		{"TOUCHLINE_STREAM_SHARDS": "0"},
		{"TOUCHLINE_DATABASE_CONNS": "2"},
		{"TOUCHLINE_TOKEN_LIFE": "1s"},
		{"TOUCHLINE_EXPLAIN_FACTS": "10"},
	} {
		if _, err := app.FromEnv[app.APIConfig](environment(change)); err == nil {
			t.Errorf("%v was taken", change)
		}
	}
	for _, bytes := range []string{"-1", "2GB"} {
		if _, err := app.FromEnv[app.WorkerConfig](environment(map[string]string{"TOUCHLINE_BUILD_DISK_BYTES": bytes})); err == nil || !strings.Contains(err.Error(), "TOUCHLINE_BUILD_DISK_BYTES") {
			t.Errorf("%s bytes: %v", bytes, err)
		}
	}
}
