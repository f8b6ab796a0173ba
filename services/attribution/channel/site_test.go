package channel

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
	"testing"
)

// TestReferenceVersion fails when a list was changed and the version was not: the
// version tells policies apart whose visits were classified by different lists. Raise
// [ReferenceVersion] and the README's, then write the new sum here.
func TestReferenceVersion(t *testing.T) {
	t.Parallel()
	const version, sum = "sites-1", "a8a023e2aeb3d30a"
	got := sha256.Sum256([]byte(searchList + socialList + shoppingList + videoList))
	if hex.EncodeToString(got[:8]) != sum || ReferenceVersion != version {
		t.Errorf("the lists of version %s have the sum %x", ReferenceVersion, got[:8])
	}
	readme, err := os.ReadFile("sites/README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "`"+ReferenceVersion+"`") {
		t.Errorf("sites/README.md does not name version %s", ReferenceVersion)
	}
}

func TestSites_Lists(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for name, list := range map[string]string{"search": searchList, "social": socialList, "shopping": shoppingList, "video": videoList} {
		for line := range strings.Lines(list) {
			if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
				continue
			}
			for _, entry := range entriesOf(t, line) {
				seen[entry] += " " + name
			}
		}
	}
	for entry, lists := range seen {
		if strings.Count(lists, " ") > 1 {
			t.Errorf("%q is in%s", entry, lists)
		}
	}
	if len(seen) < 300 {
		t.Errorf("only %d names and hosts", len(seen))
	}
}

// entriesOf returns the hosts and names of a line. A name may be spelled like one of
// its own hosts, so the two are kept apart.
func entriesOf(t *testing.T, line string) []string {
	t.Helper()
	names, hosts, found := strings.Cut(line, ":")
	if !found || strings.TrimSpace(names) == "" || strings.TrimSpace(hosts) == "" || strings.ToLower(line) != line {
		t.Errorf("%q is no entry", line)
	}
	entries := strings.Fields(hosts)
	for _, host := range entries {
		if bare := strings.Replace(strings.TrimPrefix(host, "."), ".*", ".com", 1); hostOf(bare) != bare || strings.HasPrefix(host, "www.") {
			t.Errorf("%q is no host", host)
		}
	}
	for _, name := range strings.Fields(names) {
		entries = append(entries, "name "+name)
	}
	return entries
}

func TestCategoryOfSource(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]category{
		"google": search, "google.com": search, "www.google.co.uk": search, "google.no": search, "https://www.google.de/search": search, "m.bing.com": search,
		"facebook": social, "facebook.com": social, "m.facebook.com": social, "lm.facebook.com": social, "de-de.facebook.com": social, "fb": social, "x.com": social, "pinterest.co.uk": social,
		"ebay": shopping, "ebay.de": shopping, "www.amazon.com.mx": shopping, "shopping.google.com": shopping,
		"youtube": video, "music.youtube.com": video, "youtu.be": video,
		"": other, "partner": other, "google ads": other, "notgoogle.com": other, "google.evil.com": other, "google.github.io": other, "google.example": other,
		"facebook.com.evil.net": other, "com": other, "co.uk": other, "docs.google.com": other, ".": other, "*": other, "google.*": other,
	} {
		if got := categoryOfSource(source); got != want {
			t.Errorf("categoryOfSource(%q) = %d, want %d", source, got, want)
		}
	}
}
