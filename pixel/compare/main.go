// Command compare puts the pixel beside the browser scripts of others, from npm, on the
// same page in one Chromium, and prints a table: what is transferred, how long scripts
// run, the longest task. The others are installed into a folder that goes with the run;
// nothing of theirs is kept.
//
// It runs in the pixel folder, by `make bench-pixel`, and needs node, npm, Chromium and
// `npm ci` in test.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"
)

// script is one that is compared: a package of npm, and the program of a page that counts
// a view and tracks clicks of its button by `window.tap`, as the package's documentation
// has it. SINK stands for the address of a server that takes everything.
type script struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	File    string `json:"file"`
	Tag     string `json:"tag"` // attributes of the script element
	pack    string // of npm, "" for ours
	program string
}

// scripts are compared with the newest versions that were tried.
var scripts = []script{
	{Name: "no script at all", program: `window.tap = () => {}`},
	{
		Name: "Touchline", Tag: `data-key="k" data-endpoint="SINK/e"`,
		program: `window.tap = () => window.touchline('track', 'tap', {n: 1});`,
	},
	{
		Name: "Touchline, all modules", Tag: `data-key="k" data-endpoint="SINK/e" data-domains="shop.example"`,
		program: `window.tap = () => window.touchline('track', 'tap', {n: 1});`,
	},
	{
		Name: "Plausible", pack: "@plausible-analytics/tracker@0.4.6",
		program: `import { init, track } from '@plausible-analytics/tracker';
			init({ domain: 'shop.example', endpoint: 'SINK/api/event', captureOnLocalhost: true });
			window.tap = () => track('tap', { props: { n: '1' } });`,
	},
	{
		Name: "Segment", pack: "@segment/analytics-next@1.84.3",
		program: `import { AnalyticsBrowser } from '@segment/analytics-next';
			const analytics = AnalyticsBrowser.load(
				{ writeKey: 'k', cdnSettings: { integrations: { 'Segment.io': { apiKey: 'k' } } } },
				{ integrations: { 'Segment.io': { apiHost: 'SINK/v1'.replace('http://', ''), protocol: 'http' } } });
			analytics.page();
			window.tap = () => analytics.track('tap', { n: 1 });`,
	},
	{
		Name: "PostHog", pack: "posthog-js@1.449.2",
		program: `import posthog from 'posthog-js';
			posthog.init('k', { api_host: 'SINK', request_batching: false, opt_out_useragent_filter: true });
			window.tap = () => posthog.capture('tap', { n: 1 });`,
	},
	{
		Name: "RudderStack", pack: "@rudderstack/analytics-js@3.34.1",
		program: `import { RudderAnalytics } from '@rudderstack/analytics-js/bundled';
			const analytics = new RudderAnalytics();
			analytics.load('k', 'SINK', { configUrl: 'SINK' });
			analytics.page();
			window.tap = () => analytics.track('tap', { n: 1 });`,
	},
}

func main() {
	rounds := flag.Int("rounds", 9, "how often each is loaded; the medians count")
	flag.Parse()
	if err := run(context.Background(), *rounds); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, rounds int) error {
	dir, err := os.MkdirTemp("", "touchline-compare-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := install(ctx, dir); err != nil {
		return err
	}
	for i := range scripts {
		if err := scripts[i].build(dir, i); err != nil {
			return err
		}
	}
	argument, err := json.Marshal(map[string]any{"dir": dir, "scripts": scripts, "rounds": rounds})
	if err != nil {
		return err
	}
	measure := exec.CommandContext(ctx, "node", "compare.mjs", string(argument))
	measure.Dir, measure.Stdout, measure.Stderr = "test", os.Stdout, os.Stderr
	return measure.Run()
}

// install puts the packages of the others into dir.
func install(ctx context.Context, dir string) error {
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"private": true}`), 0o600); err != nil {
		return err
	}
	arguments := []string{"install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"}
	for _, s := range scripts {
		if s.pack != "" {
			arguments = append(arguments, s.pack)
		}
	}
	npm := exec.CommandContext(ctx, "npm", arguments...)
	npm.Dir, npm.Stderr = dir, os.Stderr
	if err := npm.Run(); err != nil {
		return fmt.Errorf("install the others: %w", err)
	}
	return nil
}

// build writes the script's one file, as a site's own bundler would make it. Ours is
// served as it is, and the page's program comes after it.
func (s *script) build(dir string, number int) error {
	s.File = fmt.Sprintf("%d.js", number)
	result := api.Build(api.BuildOptions{
		Stdin:  &api.StdinOptions{Contents: s.program, ResolveDir: dir},
		Bundle: true, Format: api.FormatIIFE, Target: api.ES2020, LogLevel: api.LogLevelError,
		MinifySyntax: true, MinifyWhitespace: true, MinifyIdentifiers: true, LegalComments: api.LegalCommentsNone,
		Define: map[string]string{"process.env.NODE_ENV": `"production"`},
	})
	if len(result.Errors) > 0 {
		return fmt.Errorf("bundle %s: %s", s.Name, result.Errors[0].Text)
	}
	text := result.OutputFiles[0].Contents
	if ours, is := map[string]string{"Touchline": "dist/p.js", "Touchline, all modules": "dist/p-all.js"}[s.Name]; is {
		served, err := os.ReadFile(ours)
		if err != nil {
			return err
		}
		text = append(served, text...)
	}
	if s.pack != "" {
		s.Version = s.pack
	}
	return os.WriteFile(filepath.Join(dir, s.File), text, 0o600)
}
