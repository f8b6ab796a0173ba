package config

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type settings struct {
	Addr    string         `env:"TEST_ADDR"    envDefault:":8080"`
	Shards  int            `env:"TEST_SHARDS"  envDefault:"4"`
	Drain   time.Duration  `env:"TEST_DRAIN"   envDefault:"20s"`
	Proxies []netip.Prefix `env:"TEST_PROXIES"`
	Secret  Key            `env:"TEST_SECRET,required"`
	URL     string         `env:"TEST_URL,required,notEmpty"`
}

func secretText() string { return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)) }

func TestRead(t *testing.T) {
	t.Parallel()
	got, err := Read[settings](map[string]string{
		"TEST_SECRET": secretText(), "TEST_URL": "u", "TEST_PROXIES": "10.0.0.0/8,fd00::/8", "TEST_SHARDS": "2",
	})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Secret.Bytes(), bytes.Repeat([]byte{7}, 32)) {
		t.Error("the secret is not what was given")
	}
	want := settings{
		Addr: ":8080", Shards: 2, Drain: 20 * time.Second, URL: "u", Secret: got.Secret,
		Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")},
	}
	same := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	if diff := cmp.Diff(want, got, same, cmp.AllowUnexported(Key{})); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
}

func TestRead_ReportsAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := Read[settings](map[string]string{
		"TEST_SHARDS": "many", "TEST_DRAIN": "soon", "TEST_PROXIES": "10.0.0.0/99", "TEST_SECRET": "hunter2hunter2",
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"TEST_SHARDS", "TEST_DRAIN", "TEST_PROXIES", "TEST_SECRET", "TEST_URL"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is missing in: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error quotes a secret: %v", err)
	}
}

func TestKey_DoesNotPrint(t *testing.T) {
	t.Parallel()
	var k Key
	if err := k.UnmarshalText([]byte(secretText())); err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(map[string]any{"key": k})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s", k, k, k, k), string(encoded)} {
		if strings.Contains(text, "7") || !strings.Contains(text, "[secret]") {
			t.Errorf("the key prints as %s", text)
		}
	}
	for _, bad := range []string{"", "AAAA", "no base64!"} {
		if err := k.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q was taken for a key", bad)
		}
	}
}
