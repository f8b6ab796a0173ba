package tracking

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"github.com/touchline/touchline/services/tracking/edge"
	"github.com/touchline/touchline/services/tracking/intake"
)

var (
	pathLine   = regexp.MustCompile(`^  (/[^:]*):(?: (?:&(\w+)|\*(\w+)))?$`)
	methodLine = regexp.MustCompile(`^    (get|post|put|delete|patch|options|head):$`)
)

// specRoutes reads method and path of every operation in openapi.yaml. It knows the
// file's own layout (paths at two blanks, methods at four, aliases of whole paths),
// which spares the module a YAML parser.
func specRoutes(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var routes []string
	methods := map[string][]string{} // of each anchor
	path, anchor := "", ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if line == "components:" {
			break
		}
		if m := pathLine.FindStringSubmatch(line); m != nil {
			path, anchor = m[1], m[2]
			for _, method := range methods[m[3]] {
				routes = append(routes, method+" "+path)
			}
		} else if m := methodLine.FindStringSubmatch(line); m != nil {
			method := strings.ToUpper(m[1])
			routes = append(routes, method+" "+path)
			if anchor != "" {
				methods[anchor] = append(methods[anchor], method)
			}
		}
	}
	slices.Sort(routes)
	return routes
}

func TestSpec_Routes(t *testing.T) {
	t.Parallel()
	router := echo.New()
	edge.New(edge.Config{ScriptPath: "/p.js", EventPath: "/e", GIFPath: "/e.gif"}, edge.Deps{}).Register(router)
	parameter := regexp.MustCompile(`:(\w+)`)
	var served []string
	for _, r := range router.Routes() {
		served = append(served, r.Method+" "+parameter.ReplaceAllString(r.Path, "{$1}"))
	}
	slices.Sort(served)
	if diff := cmp.Diff(specRoutes(t), served); diff != "" {
		t.Errorf("openapi.yaml (-) and the routes served (+) differ:\n%s", diff)
	}
}

func TestSpec_Reasons(t *testing.T) {
	t.Parallel()
	spec, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var reasons []string
	for _, r := range intake.Reasons() {
		reasons = append(reasons, string(r))
	}
	if line := "reason: {enum: [" + strings.Join(reasons, ", ") + "]}"; !strings.Contains(string(spec), line) {
		t.Errorf("openapi.yaml does not list the reasons as %s", line)
	}
}
