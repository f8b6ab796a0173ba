package channel

import "testing"

func TestHostOf(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://Shop.Example:443/a?b#c":  "shop.example",
		" http://user:pw@shop.example/ ":  "shop.example",
		"//shop.example/x":                "shop.example",
		"shop.example/?u=https://other.x": "shop.example",
		"HTTPS://shop.example":            "shop.example",
		"ios-app://com.example.app/x":     "com.example.app",
		"android-app://com.google/":       "com.google",
		"https://shop.example.":           "shop.example",
		"https://.shop.example":           "shop.example",
		"https://shop.example\\x":         "shop.example",
		"https://my_shop-1.example0":      "my_shop-1.example0",
		"https://zebra9.azz":              "zebra9.azz",
		"https://пример.рф/":              "пример.рф",
		"https://[2001:DB8::1]:80/x":      "[2001:db8::1]",
		"[::1]":                           "",
		"https://[::1":                    "",
		"https://a..b":                    "",
		"https://a`b.c":                   "",
		"https://a{b.c":                   "",
		"https://a^b.c":                   "",
		"https://a\x7fb.c":                "",
		"https://a b.c":                   "",
		"ftp://shop.example":              "",
		"file:///etc":                     "",
		"http:///x":                       "",
		"about:blank":                     "",
		"mailto:a@shop.example":           "",
		"localhost":                       "",
		"/shop.example":                   "",
		"a@b.example":                     "",
		"":                                "",
	} {
		if got := hostOf(raw); got != want {
			t.Errorf("hostOf(%q) = %q, want %q", raw, got, want)
		}
	}
}

func TestSameSite(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"shop.example.no", "www.example.no", true},
		{"shop.example.co.uk", "other.co.uk", false},
		{"com", "no", false}, // two public suffixes
		{"com", "com", true}, // one
		{"com", "shop.com", false},
		{"shop.com", "com", false},
		{"1.2.3.4", "1.2.3.4", true},
		{"1.2.3.4", "9.2.3.4", false}, // "3.4" is no site
		{"1.3.4", "2.3.4", false},
		{"[::1]", "[::2]", false},
	} {
		if got := sameSite(tt.a, tt.b); got != tt.want {
			t.Errorf("%s and %s: %v", tt.a, tt.b, got)
		}
	}
}

func TestIgnore(t *testing.T) {
	t.Parallel()
	ignored := Ignore([]string{"*.PayPal.com", " https://klarna.com/x ", ""})
	for host, want := range map[string]bool{
		"paypal.com": true, "www.paypal.com": true, "a.b.klarna.com": true, "notpaypal.com": false, "com": false, "": false,
	} {
		if got := ignored.has(host); got != want {
			t.Errorf("%q is ignored: %v", host, got)
		}
	}
}

func TestClassify_TokenAlone(t *testing.T) {
	t.Parallel()
	params := Params{}.With("mt", "tk")
	if got, campaign, ok := Classify("https://shop.example/?mt=tk", "", params, Ignored{}); got != Unassigned || campaign != "" || !ok {
		t.Errorf("%q %q %v", got, campaign, ok)
	}
}

func TestClassify_SeveralClickIDs(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"fbclid=1": OrganicSocial, "fbclid=1&ttclid=1": PaidSocial, "twclid=1&fbclid=1": PaidSocial, "ttclid=1&gclid=1": PaidSearch,
		"fbclid=1&msclkid=1": PaidSearch, "li_fat_id=1&li_fat_id=2": PaidSocial, "fbclid=1&fbclid=2": OrganicSocial,
	} {
		page := "https://shop.example/?" + query
		if got, _, _ := Classify(page, "", ParamsOf(page), Ignored{}); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

func TestParams_WithText(t *testing.T) {
	t.Parallel()
	p := ParamsOf("https://shop.example/?utm_source=a&gclid=1")
	if got := p.With("mt", "a\x00b"); !got.Equal(p.With("mt", "a\uFFFDb")) || got.Equal(p) || got.Equal(p.With("mt", "a")) {
		t.Errorf("%q", got)
	}
	if got := p.With("m\x00t", "a"); !got.Equal(p.With("m\uFFFDt", "a")) {
		t.Errorf("%q", got)
	}
	if !p.With("mt", "a").With("mt", "a").Equal(p.With("mt", "a")) {
		t.Error("a pair counts once")
	}
}

// What stands behind # in the lists is no site: "# Search engines."
func TestSites_CommentsAreNone(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"#", "search", "engines.", "marketplaces,", "video", "streaming."} {
		if got := categoryOfSource(word); got != other {
			t.Errorf("%q is a site of category %d", word, got)
		}
	}
	if categoryOfSource("google") != search || categoryOfSource("ebay") != shopping {
		t.Error("the lists are not read")
	}
}

func TestSpeaksOfShop(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"shop": true, "eshop": true, "my-shop": true, "1shop": true, "workshop": false, "workshopping": true, "workshop shop": true, "åshop": false, "": false, "workshop eshop": true,
	} {
		if got := speaksOfShop(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
