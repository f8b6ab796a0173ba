package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
)

var fence = regexp.MustCompile("(?s)\n```(\\w+)\n(.*?)```")

// snippets are the blocks of a file of the docs that are written in a language.
func snippets(t *testing.T, file, language string) (texts []string) {
	t.Helper()
	docs, err := os.ReadFile(filepath.Join("../docs", file))
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range fence.FindAllStringSubmatch(string(docs), -1) {
		if found[1] == language {
			texts = append(texts, found[2])
		}
	}
	if len(texts) == 0 {
		t.Fatalf("%s has no %s", file, language)
	}
	return texts
}

// What the docs have for React, Next, Vue, Shopify and workers is what a bundler takes,
// and names what the package exports.
func TestSnippets_Bundle(t *testing.T) {
	t.Parallel()
	module, err := filepath.Abs("../dist/pixel.mjs")
	if err != nil {
		t.Fatal(err)
	}
	loaders := map[string]api.Loader{"tsx": api.LoaderTSX, "ts": api.LoaderTS, "js": api.LoaderJS}
	for _, file := range []string{"install.md", "first-party.md"} {
		for language, loader := range loaders {
			if file != "install.md" && language != "js" {
				continue
			}
			for i, text := range snippets(t, file, language) {
				result := api.Build(api.BuildOptions{
					Stdin:  &api.StdinOptions{Contents: text, Loader: loader, Sourcefile: fmt.Sprintf("%s, %s %d", file, language, i)},
					Bundle: true, Format: api.FormatESModule, Write: false,
					Alias: map[string]string{"@touchline/pixel": module}, External: []string{"next/*", "react/*", "react"},
				})
				for _, fault := range append(result.Errors, result.Warnings...) {
					t.Errorf("%s, %s %d: %s\n%s", file, language, i, fault.Text, text)
				}
			}
		}
	}
}

// surroundings are the declarations of others that the snippets in TypeScript use.
const surroundings = `
declare module 'next/script' { export default function Script(props: { src: string; strategy: string; 'data-key': string }): unknown }
declare module 'react/jsx-runtime' { const runtime: any; export = runtime }
declare namespace React { type ReactNode = unknown }
declare namespace JSX { interface IntrinsicElements { [name: string]: any } }
declare function defineNuxtConfig(config: { app: { head: { script: { [name: string]: string | boolean }[] } } }): unknown;
`

// The snippets in TypeScript agree with the package's types.
func TestSnippets_Types(t *testing.T) {
	t.Parallel()
	tsc, err := filepath.Abs("../node_modules/.bin/tsc")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(tsc); err != nil {
		t.Skip("skipped: the types of the docs' snippets are not checked without `npm ci` in pixel")
	}
	source, err := filepath.Abs("../src/index.ts")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config, err := json.Marshal(map[string]any{"compilerOptions": map[string]any{
		"strict": true, "noEmit": true, "jsx": "preserve", "target": "es2021", "lib": []string{"es2021", "dom", "dom.iterable"},
		"module": "esnext", "moduleResolution": "bundler", "types": []string{}, "paths": map[string][]string{"@touchline/pixel": {source}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"tsconfig.json": string(config), "surroundings.d.ts": surroundings}
	for _, language := range []string{"tsx", "ts"} {
		for i, text := range snippets(t, "install.md", language) {
			files[fmt.Sprintf("%s%d.%s", language, i, language)] = text + "\nexport {};\n"
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), tsc, "-p", dir).CombinedOutput(); err != nil {
		t.Errorf("tsc: %v\n%s", err, out)
	}
}

// wordPress is as much of WordPress and WooCommerce as the snippet calls, by their
// documentation. It prints what a page of an order has of ours.
const wordPress = `<?php
$hooks = []; $queued = [];
function add_action($name, $work) { add_filter($name, $work); }
function add_filter($name, $work, $priority = 10, $count = 1) { global $hooks; $hooks[$name][] = [$work, $count]; }
function run($name, ...$values) {
	global $hooks;
	foreach ($hooks[$name] ?? [] as [$work, $count]) { $values[0] = $work(...array_slice($values, 0, $count)) ?? $values[0] ?? null; }
	return $values[0] ?? null;
}
function wp_enqueue_script($handle, $src, $deps = [], $version = false, $args = []) { global $queued; $queued[$handle] = [$src, $args]; }
function esc_attr($text) { return htmlspecialchars((string) $text, ENT_QUOTES); }
class WC_Order {
	function get_id() { return 4711; }
	function get_total() { return '19.90'; }
	function get_currency() { return 'NOK'; }
	function get_coupon_codes() { return ['welcome', 'a "quoted" one']; }
}
function wc_get_order($id) { return $id === 4711 ? new WC_Order : false; }
require $argv[1];
run('wp_enqueue_scripts', null);
foreach ($queued + ['other' => ['https://shop.example/other.js', []]] as $handle => [$src, $args]) {
	$defer = isset($args['strategy']) ? " {$args['strategy']} data-wp-strategy=\"{$args['strategy']}\"" : '';
	echo run('script_loader_tag', "<script src=\"" . esc_attr($src) . "\" id=\"$handle-js\"$defer></script>\n", $handle, $src);
}
run('woocommerce_thankyou', 4711);
`

// What the WooCommerce snippet puts into the page of an order.
func TestSnippets_WooCommerce(t *testing.T) {
	t.Parallel()
	php, err := exec.LookPath("php")
	if err != nil {
		t.Skip("skipped: the WooCommerce snippet needs php, which is not installed")
	}
	dir := t.TempDir()
	shop, plugin := filepath.Join(dir, "shop.php"), filepath.Join(dir, "plugin.php")
	for name, text := range map[string]string{shop: wordPress, plugin: "<?php\n" + snippets(t, "install.md", "php")[0]} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), php, "-d", "display_errors=1", "-d", "error_reporting=-1", shop, plugin).CombinedOutput()
	if err != nil {
		t.Fatalf("php: %v\n%s", err, out)
	}
	want := `<script data-key="WRITE_KEY" src="https://t.example.com/p.js?use=forms,links" id="touchline-js" defer data-wp-strategy="defer"></script>
<script src="https://shop.example/other.js" id="other-js"></script>
<p hidden data-tl-purchase="4711" data-tl-prop-total="19.90" data-tl-prop-currency="NOK" data-tl-prop-coupon="welcome,a &quot;quoted&quot; one"></p>`
	if string(out) != want {
		t.Errorf("the page has\n%s\nwant\n%s", out, want)
	}
}

// worker asks the worker of the docs, whose network is a list, for pages of a shop.
const worker = `
const asked = [];
globalThis.fetch = async (url, init = {}) => {
	asked.push([url.url || url, init.method || url.method, (init.headers || url.headers).get('x-forwarded-for'), init.body ? await new Response(init.body).text() : '']);
	return new Response('');
};
const { default: worker } = await import(process.argv[1]);
const visitor = { 'CF-Connecting-IP': '192.0.2.7', 'X-Forwarded-For': '203.0.113.9' };
for (const path of ['/s/site.js?use=forms', '/s/in/handover?k=1', '/s/view.gif?key=k', '/cart?x=1']) {
	await worker.fetch(new Request('https://shop.example' + path, { headers: visitor }));
}
await worker.fetch(new Request('https://shop.example/s/in', { method: 'POST', body: '{"batch":[]}', headers: visitor, duplex: 'half' }));
console.log(JSON.stringify(asked));
`

// The worker of the docs sends what is ours to the service, with whose visitor it is,
// and everything else on.
func TestSnippets_Worker(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("skipped: the worker needs node, which is not installed")
	}
	file := filepath.Join(t.TempDir(), "worker.mjs")
	if err := os.WriteFile(file, []byte(snippets(t, "first-party.md", "js")[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), node, "--input-type=module", "-e", worker, file).CombinedOutput()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, out)
	}
	want := `[["https://t.example.com/p.js?use=forms","GET","192.0.2.7",""],["https://t.example.com/e/handover?k=1","GET","192.0.2.7",""],` +
		`["https://t.example.com/e.gif?key=k","GET","192.0.2.7",""],["https://shop.example/cart?x=1","GET","203.0.113.9",""],` +
		`["https://t.example.com/e","POST","192.0.2.7","{\"batch\":[]}"]]`
	if got := strings.TrimSpace(string(out)); got != want {
		t.Errorf("asked for\n%s\nwant\n%s", got, want)
	}
}
