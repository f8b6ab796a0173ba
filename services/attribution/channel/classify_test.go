package channel

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/touchline/touchline/services/internal/deptest"
)

func TestClassify_Referrer(t *testing.T) {
	t.Parallel()
	ignored := Ignore([]string{"paypal.com", " *.Pay.Example. ", ""})
	for _, test := range []struct{ name, page, referrer, want string }{
		{"direct", "https://shop.example/", "", ""},
		{"the site itself", "https://shop.example/p", "https://shop.example/", ""},
		{"www and the bare domain", "https://www.shop.example/", "https://shop.example/x", ""},
		{"a subdomain of the site", "https://shop.example/", "https://blog.shop.example/x", ""},
		{"two subdomains of the site", "https://a.shop.co.uk/", "https://b.shop.co.uk/x", ""},
		{"another site under one public suffix", "https://shop.co.uk/", "https://other.co.uk/", Referral},
		{"another shop of one host", "https://a.myshopify.com/", "https://b.myshopify.com/", Referral},
		{"a site with another one's name in its own", "https://shop.example/", "https://myshop.example/", Referral},
		{"an address", "http://10.0.0.1/", "http://10.0.0.1:8080/", ""},
		{"another address", "http://10.0.0.1/", "http://10.9.0.1/", Referral},
		{"localhost", "http://localhost:3000/", "http://localhost:3000/a", ""},
		{"the port and the case make no site", "https://Shop.Example:8443/", "https://SHOP.example/", ""},
		{"an ignored host", "https://shop.example/", "https://paypal.com/x", ""},
		{"below an ignored host", "https://shop.example/", "https://www.paypal.com/x", ""},
		{"ignored however it is written", "https://shop.example/", "https://de.pay.example/", ""},
		{"it ends like an ignored host", "https://shop.example/", "https://notpaypal.com/x", Referral},
		{"no address at all", "https://shop.example/", "about:blank", ""},
		{"a mail address", "https://shop.example/", "mailto:a@other.example", ""},
		{"a bare host", "https://shop.example/", "www.google.com/search", OrganicSearch},
		{"a path", "https://shop.example/", "/p/1", ""},
		{"a file", "https://shop.example/", "file:///index.html", ""},
		{"search", "https://shop.example/", "https://www.google.com/", OrganicSearch},
		{"search in another country", "https://shop.example/", "https://www.google.co.uk/search?q=x", OrganicSearch},
		{"search from its app", "https://shop.example/", "android-app://com.google.android.googlequicksearchbox/", OrganicSearch},
		{"mail of a search engine's company", "https://shop.example/", "https://mail.google.com/", Referral},
		{"anybody can have this one", "https://shop.example/", "https://google.github.io/", Referral},
		{"Yahoo's search in a country", "https://shop.example/", "https://de.search.yahoo.com/", OrganicSearch},
		{"Bing in a country", "https://shop.example/", "https://cn.bing.com/", OrganicSearch},
		{"social", "https://shop.example/", "https://l.facebook.com/l.php?u=x", OrganicSocial},
		{"social, mobile", "https://shop.example/", "https://m.facebook.com/", OrganicSocial},
		{"social, shortened", "https://shop.example/", "https://t.co/abc", OrganicSocial},
		{"shopping", "https://shop.example/", "https://www.amazon.de/dp/1", OrganicShopping},
		{"video", "https://shop.example/", "https://m.youtube.com/watch?v=1", OrganicVideo},
		{"any other", "https://shop.example/", "https://blog.other.example/post", Referral},
		{"a screen of an app", "", "https://www.google.com/", OrganicSearch},
		{"broken beyond its host", "https://shop.example/", "https://www.google.com/%zz?\x00", OrganicSearch},
		{"credentials and port", "https://shop.example/", "https://u:p@www.google.com:443/", OrganicSearch},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, campaign, ok := Classify(test.page, test.referrer, ParamsOf(test.page), ignored)
			if got != test.want || campaign != "" || ok != (test.want != "") {
				t.Errorf("got %q, %q, %v, want %q", got, campaign, ok, test.want)
			}
		})
	}
}

func TestClassify_Parameters(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"gclid=1": PaidSearch, "gbraid=1": PaidSearch, "wbraid=1": PaidSearch, "msclkid=1": PaidSearch,
		"ttclid=1": PaidSocial, "li_fat_id=1": PaidSocial, "twclid=1": PaidSocial, "fbclid=1": OrganicSocial,
		"fbclid=1&gclid=2": PaidSearch, "fbclid=1&twclid=2": PaidSocial, "twclid=1&wbraid=2": PaidSearch,
		"gclid=1&utm_source=partner":                   Unassigned,
		"fbclid=1&utm_source=facebook&utm_medium=paid": PaidSocial,
		"utm_source=whatsapp&utm_medium=chat":          WhatsApp, "utm_source=bot&utm_medium=WhatsApp": WhatsApp, "utm_source=whatsapp&utm_medium=cpc": WhatsApp,
		"utm_source=messenger&utm_medium=chat": Messenger, "utm_medium=messenger": Messenger,
		"utm_source=google&utm_medium=cpc&utm_campaign=My%20Cross-Network": CrossNetwork,
		"utm_source=ebay&utm_medium=cpc":                                   PaidShopping, "utm_source=google&utm_medium=cpc&utm_campaign=eshop": PaidShopping,
		"utm_source=google&utm_medium=cpc&utm_campaign=Shop-now": PaidShopping, "utm_source=google&utm_medium=cpc&utm_campaign=xshopping": PaidShopping,
		"utm_source=google&utm_medium=cpc&utm_campaign=workshop": PaidSearch, "utm_source=google&utm_medium=cpc&utm_campaign=kjøkkenøshop": PaidSearch,
		"utm_source=google&utm_medium=cpc&utm_campaign=workshop_shop": PaidShopping,
		"utm_source=Google&utm_medium=CPC":                            PaidSearch, "utm_source=google&utm_medium=ppc": PaidSearch, "utm_source=bing&utm_medium=paidsearch": PaidSearch,
		"utm_source=www.google.co.uk&utm_medium=cpc": PaidSearch, "utm_source=google.com&utm_medium=cpc": PaidSearch,
		"utm_source=facebook&utm_medium=cpc": PaidSocial, "utm_source=fb&utm_medium=paid_social": PaidSocial, "utm_source=m.facebook.com&utm_medium=retargeting": PaidSocial,
		"utm_source=youtube&utm_medium=cpc": PaidVideo, "utm_source=youtube&utm_medium=cpm": PaidVideo, "utm_source=partner&utm_medium=cpm": Display,
		"utm_source=partner&utm_medium=cpc": PaidOther, "utm_source=partner&utm_medium=xcpx": PaidOther, "utm_medium=prepaid": Unassigned, "utm_medium=myppc": Unassigned,
		"utm_source=partner&utm_medium=banner": Display, "utm_source=google&utm_medium=display": Display, "utm_medium=expandable": Display, "utm_medium=interstitial": Display,
		"utm_source=ebay&utm_medium=x": OrganicShopping, "utm_source=partner&utm_campaign=shop": OrganicShopping,
		"utm_source=instagram": OrganicSocial, "utm_medium=social": OrganicSocial, "utm_medium=social+media": OrganicSocial, "utm_medium=sm": OrganicSocial,
		"utm_medium=social-network": OrganicSocial, "utm_medium=social%20network": OrganicSocial, "utm_medium=social-media": OrganicSocial, "utm_medium=asocial": Unassigned,
		"utm_source=youtube&utm_medium=x": OrganicVideo, "utm_medium=a-video-b": OrganicVideo,
		"utm_source=bing": OrganicSearch, "utm_medium=organic": OrganicSearch,
		"utm_source=partner&utm_medium=referral": Referral, "utm_medium=app": Referral, "utm_medium=link": Referral,
		"utm_source=newsletter&utm_medium=email": Email, "utm_source=e-mail": Email, "utm_medium=e_mail": Email, "utm_medium=E+Mail": Email,
		"utm_medium=affiliate": Affiliates, "utm_medium=audio": Audio, "utm_medium=sms": SMS, "utm_source=sms": SMS,
		"utm_medium=webpush": MobilePush, "utm_medium=my-mobile-x": MobilePush, "utm_medium=notifications": MobilePush, "utm_source=firebase": MobilePush,
		"utm_medium=pushed": Unassigned, "utm_source=partner": Unassigned, "utm_term=shoes": Unassigned, "utm_campaign=spring": Unassigned,
		"utm_source=partner&utm_source=google&utm_medium=cpc": PaidOther, "utm_source=&utm_source=google&utm_medium=cpc": PaidSearch,
	} {
		page := "https://shop.example/?" + query
		for _, referrer := range []string{"", "https://www.paypal.com/", "https://www.bing.com/"} {
			got, _, ok := Classify(page, referrer, ParamsOf(page), Ignore([]string{"paypal.com"}))
			if got != want || !ok {
				t.Errorf("%s: got %q, %v, want %q", query, got, ok, want)
			}
		}
	}
}

func TestClassify_Campaign(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"utm_campaign=Spring+%C3%85": "Spring Å", "utm_source=x&utm_campaign=b&utm_campaign=a": "b", "gclid=1": "",
		"utm_campaign=a%00%FFb": "a\uFFFD\uFFFDb", "utm_campaign=100%": "100%",
	} {
		page := "https://shop.example/?" + query + "#utm_campaign=other"
		if _, got, ok := Classify(page, "", ParamsOf(page), Ignored{}); got != want || !ok {
			t.Errorf("%s: got %q, %v, want %q", query, got, ok, want)
		}
	}
}

func TestClassify_Properties(t *testing.T) {
	t.Parallel()
	word := rapid.SampledFrom([]string{"", "google", "Facebook", "ebay", "youtube", "partner", "cpc", "cpm", "paid", "email", "sms", "push", "shop", "cross-network", "whatsapp"})
	rapid.Check(t, func(t *rapid.T) {
		source, medium, name := word.Draw(t, "source"), word.Draw(t, "medium"), word.Draw(t, "campaign")
		page := "https://shop.example/?utm_source=" + source + "&utm_medium=" + medium + "&utm_campaign=" + name
		params := ParamsOf(page)
		got, campaign, ok := Classify(page, "", params, Ignored{})
		if ok != (source+medium+name != "") || ok && campaign != name {
			t.Fatalf("%s: %q, %q, %v", page, got, campaign, ok)
		}
		upper := "https://shop.example/?utm_source=" + strings.ToUpper(source) + "&utm_medium=" + strings.ToUpper(medium) + "&utm_campaign=" + strings.ToUpper(name)
		if other, _, _ := Classify(upper, "", ParamsOf(upper), Ignored{}); other != got {
			t.Fatalf("%s is %s, %s is %s", page, got, upper, other)
		}
		if other, _, _ := Classify(page, "https://www.google.com/", params, Ignored{}); ok && other != got {
			t.Fatalf("the referrer of %s counts: %s, %s", page, got, other)
		}
	})
}

func FuzzClassify(f *testing.F) {
	f.Add("https://shop.example/?utm_source=google&utm_medium=cpc&mt=x#f", "https://www.google.co.uk/")
	f.Add("//[::1]:80?gclid=%zz", "android-app://com.google.android.gm/")
	f.Fuzz(func(t *testing.T, page, referrer string) {
		params := ParamsOf(page)
		channel, campaign, ok := Classify(page, referrer, params, Ignore([]string{"paypal.com", referrer}))
		if ok != (channel != "") || !ok && (campaign != "" || !params.Empty()) {
			t.Fatalf("%q, %q, %v", channel, campaign, ok)
		}
		if strings.ContainsRune(campaign, 0) || !params.Equal(ParamsOf(page)) {
			t.Fatalf("%q", campaign)
		}
	})
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	deptest.Check(t, ".", deptest.Pure(
		"channel is part of what decides a credit: it is pure and reaches only the hit contract and the public suffix list",
		"golang.org/x/net/publicsuffix",
		"github.com/touchline/touchline/services/internal/hit", "github.com/google/uuid", "github.com/nyaruka/phonenumbers",
		"google.golang.org/protobuf", "golang.org/x/text", // by way of hit
	))
}

func BenchmarkClassify(b *testing.B) {
	page := "https://shop.example/p?utm_source=google&utm_medium=cpc&utm_campaign=brand&gclid=1"
	ignored := Ignore([]string{"paypal.com"})
	b.ReportAllocs()
	for b.Loop() {
		Classify(page, "https://www.google.com/", ParamsOf(page), ignored)
	}
}
