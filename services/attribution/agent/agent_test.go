package agent

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/touchline/touchline/services/internal/deptest"
)

func TestMachine(t *testing.T) {
	t.Parallel()
	for name, userAgent := range map[string]string{
		"WhatsApp preview":         "WhatsApp/2.23.20.0 A",
		"WhatsApp preview, iPhone": "WhatsApp/2.24.8.78 i",
		"WhatsApp preview, bare":   "WhatsApp",
		"WhatsApp desktop preview": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) WhatsApp/0.2.4240 Chrome/53.0.2785.143 Electron/1.4.12 Safari/537.36",
		"Facebook preview":         "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
		"iMessage preview":         "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0",
		"Slack preview":            "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
		"Telegram preview":         "TelegramBot (like TwitterBot)",
		"Twitter preview":          "Twitterbot/1.0",
		"Skype and Teams preview":  "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
		"Discord preview":          "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
		"LINE preview":             "facebookexternalhit/1.1;line-poker/1.0",
		"Viber preview":            "Viber",
		"LinkedIn preview":         "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
		"Bing preview":             "Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/537.36 (KHTML, like Gecko) BingPreview/1.0b",
		"Barracuda":                "Barracuda Sentinel (EE)",
		"Outlook asks first":       "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.12026; Pro)",
		"Word asks first":          "Mozilla/4.0 (compatible; ms-office; MSOffice 16)",
		"Google":                   "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/41.0.2272.96 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
		"nobody has heard of it":   "Mozilla/5.0 (compatible; NewThing/0.1; +https://new.example/)",
		"a bot of that name":       "Some Bot 1.0",
		"headless":                 "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36",
		"curl":                     "curl/8.5.0",
		"Wget":                     "Wget/1.21.2",
		"Python":                   "python-requests/2.31.0",
		"Go":                       "Go-http-client/2.0",
		"Java":                     "Java/17.0.2",
		"at the end":               "GoogleAssociationService",
	} {
		if !Machine(userAgent) {
			t.Errorf("%s passes for a person: %s", name, userAgent)
		}
	}
}

func TestMachine_People(t *testing.T) {
	t.Parallel()
	for name, userAgent := range map[string]string{
		"not known":                 "",
		"short":                     "abc",
		"Chrome":                    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36",
		"Safari":                    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
		"Firefox":                   "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
		"Edge":                      "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36 Edg/138.0.0.0",
		"Samsung Internet":          "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
		"Cốc Cốc":                   "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) coc_coc_browser/120.0.0 Chrome/120.0.0.0 Safari/537.36",
		"Sogou's browser":           "Mozilla/5.0 (Linux; Android 13; V2285A) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/98.0 Mobile Safari/537.36 SogouMSE,SogouMobileBrowser/6.13",
		"Silk":                      "Mozilla/5.0 (Linux; Android 9; KFMAWI) AppleWebKit/537.36 (KHTML, like Gecko) Silk/108.9.6 like Chrome/108.0.5359.220 Safari/537.36",
		"Facebook's app":            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [FBAN/FBIOS;FBAV/470.0.0.40.110;FBBV/610000000;FBDV/iPhone15,2;FBMD/iPhone;FBSN/iOS;FBSV/17.5;FBSS/3;FBID/phone;FBLC/nb_NO;FBOP/5]",
		"Facebook's app, Android":   "Mozilla/5.0 (Linux; Android 14; SM-S918B; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/126.0.0.0 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/470.0.0.40.110;]",
		"Facebook's app of late":    "Mozilla/5.0 (Linux; Android 16; Pixel 10 Build/X; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/146.0.7680.174 Mobile Safari/537.36 MetaIAB Facebook",
		"Messenger's app":           "Mozilla/5.0 (Linux; Android 11; RMX1931; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/93.0.4577.82 Mobile Safari/537.36 [FB_IAB/Orca-Android;FBAV/331.0.0.15.119;]",
		"Instagram's app":           "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/21F79 Instagram 340.0.0.20.100 (iPhone15,2; iOS 17_5; nb_NO; nb; scale=3.00; 1179x2556)",
		"WhatsApp's app, Android":   "Mozilla/5.0 (Linux; Android 15; SM-S918B; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/139.0.0.0 Mobile Safari/537.36 WA4A/2.26.30.97",
		"WhatsApp's app, iPhone":    "Mozilla/5.0 (iPhone; CPU iPhone OS 26_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.6 Mobile/15E148 Safari/604.1 [WAiOS/2.26.31]",
		"Telegram's app":            "Mozilla/5.0 (Linux; Android 9; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.7204.180 Safari/537.36 Telegram-Android/12.3.1 (Xiaomi 2304FPN6DG; Android 9; SDK 28; AVERAGE)",
		"Zalo's app":                "Mozilla/5.0 (Linux; Android 13; SM-A536E; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/120.0.0.0 Mobile Safari/537.36 Zalo android/24010001 ZaloTheme/light ZaloLanguage/vi",
		"WeChat's app":              "Mozilla/5.0 (iPhone; CPU iPhone OS 16_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 MicroMessenger/8.0.49(0x18003137) NetType/WIFI Language/zh_CN",
		"LINE's app":                "Mozilla/5.0 (iPhone; CPU iPhone OS 11_0 like Mac OS X) AppleWebKit/604.1.38 (KHTML, like Gecko) Mobile/15A372 Safari Line/7.12.0",
		"Google's app":              "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) GSA/320.0 Mobile/15E148 Safari/604.1",
		"a phone by Cubot":          "Mozilla/5.0 (Linux; Android 4.2.2; CUBOT C9+ Build/JDQ39) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/31.0.1650.59 Mobile Safari/537.36",
		"a phone named Butterfly":   "Mozilla/5.0 (Linux; Android 4.1.1; HTC Butterfly Build/JRO03C) AppleWebKit/535.19 (KHTML, like Gecko) Chrome/18.0.1025.166 Mobile Safari/535.19",
		"behind a proxy that hides": "Amazon CloudFront",
	} {
		if Machine(userAgent) {
			t.Errorf("%s passes for a program: %s", name, userAgent)
		}
	}
}

func TestMachine_LongAgentsAreCut(t *testing.T) {
	t.Parallel()
	if Machine(strings.Repeat("x", maxLength)+" curl crawler") || !Machine(strings.Repeat("x", maxLength-8)+" crawler") {
		t.Errorf("not the first %d bytes decide", maxLength)
	}
}

// TestReferenceVersion fails when a list was changed and the version was not: the
// version tells policies apart whose clicks were told from bots by different lists.
// Raise [ReferenceVersion] and the README's, then write the new sum here.
func TestReferenceVersion(t *testing.T) {
	t.Parallel()
	const version, sum = "agents-1", "5f07d6195cacf23e"
	got := sha256.Sum256([]byte(crawlerList + ownList))
	if hex.EncodeToString(got[:8]) != sum || ReferenceVersion != version {
		t.Errorf("the lists of version %s have the sum %x", ReferenceVersion, got[:8])
	}
	readme, err := os.ReadFile("agents/README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "`"+ReferenceVersion+"`") {
		t.Errorf("agents/README.md does not name version %s", ReferenceVersion)
	}
}

func TestLists_AreReadable(t *testing.T) {
	t.Parallel()
	for name, lines := range map[string]string{"crawlers.txt": crawlerList, "own.txt": ownList} {
		for line := range strings.Lines(lines) {
			line = strings.TrimSuffix(line, "\n")
			text := strings.TrimSuffix(strings.TrimPrefix(line, "^"), "$")
			switch {
			case line == "" || line[0] == '#':
			case len(text) < headLength || text != strings.TrimSpace(text):
				t.Errorf("%s: %q is too short, or has blanks around it", name, line)
			case name == "own.txt" && text != strings.ToLower(text):
				t.Errorf("%s: %q is compared in lower case", name, line)
			}
		}
	}
}

// TestMachine_Corpus reads the user agents of ua-parser's tests: of those with a
// device that people hold none may pass for a program, of those it calls spiders few
// may pass for people.
func TestMachine_Corpus(t *testing.T) {
	t.Parallel()
	root := os.Getenv("TOUCHLINE_CORPUS")
	if root == "" {
		t.Skip("skipped: TOUCHLINE_CORPUS names no folder of test corpora")
	}
	people, spiders, missed := 0, 0, 0
	for _, one := range readAgents(t, filepath.Join(root, "corpora", "uap-core", "test_device.yaml")) {
		machine := Machine(one.text)
		switch {
		case one.family == "Spider":
			spiders++
			if !machine {
				missed++
			}
		case one.brand != "" && !fetchers(one.text):
			people++
			if machine {
				t.Errorf("a %s passes for a program: %s", one.brand, one.text)
			}
		}
	}
	t.Logf("%d people, %d spiders, %d of them missed", people, spiders, missed)
	if people < 10_000 || spiders < 50 || missed*5 > spiders {
		t.Errorf("%d of %d spiders pass for people (of %d)", missed, spiders, people)
	}
}

// fetchers reports whether a user agent names a device beside a program that fetches:
// previews of WhatsApp on that phone, blogs about it, spiders of its maker.
func fetchers(text string) bool {
	return strings.HasPrefix(text, "WhatsApp") || strings.HasPrefix(text, "WordPress/") ||
		strings.Contains(strings.ToLower(text), "spider")
}

type described struct{ text, family, brand string }

// readAgents reads test cases of ua-parser: YAML in its simplest form, one value a line.
func readAgents(t *testing.T, file string) []described {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	var all []described
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		key, value, _ := strings.Cut(strings.TrimLeft(lines.Text(), " -"), ": ")
		value = strings.TrimSpace(value)
		if n := len(value); n > 1 && (value[0] == '\'' || value[0] == '"') && value[n-1] == value[0] {
			value = strings.ReplaceAll(value[1:n-1], "''", "'")
		}
		switch {
		case key == "user_agent_string":
			all = append(all, described{text: value})
		case len(all) == 0:
		case key == "family":
			all[len(all)-1].family = value
		case key == "brand":
			all[len(all)-1].brand = value
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	deptest.Check(t, ".", deptest.Pure("agent is part of what decides a credit: it is pure"))
}

func FuzzMachine(f *testing.F) {
	f.Add("WhatsApp/2.23.20.0 A")
	f.Add("Mozilla/5.0 (Linux; Android 4.2.2; CUBOT C9+) bot")
	f.Fuzz(func(t *testing.T, userAgent string) {
		if !Machine(userAgent) && Machine(userAgent+" ") {
			t.Fatalf("a blank makes a program of %q", userAgent)
		}
		if len(userAgent) < maxLength/2 && !Machine(userAgent+" (+https://x.example)") {
			t.Fatalf("%q with an address passes for a person", userAgent)
		}
	})
}

func BenchmarkMachine(b *testing.B) {
	const phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
	b.ReportAllocs()
	for b.Loop() {
		Machine(phone)
	}
}
