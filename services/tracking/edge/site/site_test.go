package site

import (
	"strings"
	"testing"
)

func TestOrigin(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]struct {
		host   string
		secure bool
	}{
		"https://www.shop.example":      {"www.shop.example", true},
		"http://shop.example:8080":      {"shop.example", false},
		"https://[2001:db8::1]:8443":    {"[2001:db8::1]", true},
		"null":                          {},
		"":                              {},
		"chrome-extension://abcdefghij": {},
		"https://shop.example/<script>": {"", true},
		"https://":                      {"", true},
	} {
		if host, secure := Origin(header); host != want.host || secure != want.secure {
			t.Errorf("%q: %q, %v", header, host, secure)
		}
	}
}

func TestAddress(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"https://Shop.Example/a?b=https://x.example": "shop.example", "HTTP://shop.example?x": "shop.example",
		"https://u:p@shop.example:1/": "shop.example", "https://shop.example#a@b": "shop.example",
		"file:///etc": "", "shop.example": "", "": "", "javascript:x": "",
	} {
		if got, _ := Address(url); got != want {
			t.Errorf("%q: %q, want %q", url, got, want)
		}
	}
}

func TestHost(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"T.Example.com:443": "t.example.com", "t.example.com.": "t.example.com", "[::1]:8080": "[::1]", "127.0.0.1:1": "127.0.0.1",
		"xn--bcher-kva.example": "xn--bcher-kva.example", "bücher.example": "", "a b": "", "a/b": "", "": "",
		strings.Repeat("a", 254): "",
	} {
		if got := Host(header); got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
	}
}

func TestSame(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"shop.example", "shop.example", true},
		{"www.shop.example", "t.shop.example", true},
		{"shop.example", "pay.example", false},
		{"shop.co.uk", "pay.co.uk", false}, // a public suffix is no site
		{"www.shop.co.uk", "t.shop.co.uk", true},
		{"one.myshopify.com", "two.myshopify.com", false},
		{"one.github.io", "two.github.io", false},
		{"co.uk", "co.uk", true},
		{"127.0.0.1", "127.0.0.1", true},
		{"10.0.0.1", "127.0.0.1", false}, // not "0.1", as names would be
		{"[::1]", "[::1]", true},
		{"localhost", "localhost", true},
		{"localhost", "shop.localhost", false},
		{"", "", false},
	} {
		if Same(c.a, c.b) != c.want || Same(c.b, c.a) != c.want {
			t.Errorf("%s and %s: want %v", c.a, c.b, c.want)
		}
	}
}

func FuzzSame(f *testing.F) {
	f.Add("https://a.b.example:1", "[::")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, _ := Origin(a)
		y, _ := Address(b)
		if Same(x, Host(b)) != Same(Host(b), x) || Same(y, y) != (y != "") {
			t.Errorf("%q, %q", a, b)
		}
	})
}
