package secret_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/touchline/touchline/services/attribution/secret"
)

func TestBox_OpensOnlyWhatItSealedUnderThatName(t *testing.T) {
	t.Parallel()
	key := bytes.Repeat([]byte{1}, secret.KeySize)
	box, err := secret.NewBox(key, "a")
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := box.Seal("x", "the value")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("value")) {
		t.Error("the value can be read")
	}
	var got string
	if err := box.Open("x", sealed, &got); err != nil || got != "the value" {
		t.Errorf("got %q, %v", got, err)
	}
	other, err := secret.NewBox(key, "b")
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"another name":    box.Open("y", sealed, &got),
		"another purpose": other.Open("x", sealed, &got),
		"a changed byte":  box.Open("x", append([]byte{sealed[0] ^ 1}, sealed[1:]...), &got),
		"too short":       box.Open("x", sealed[:4], &got),
	} {
		if !errors.Is(err, secret.ErrSealed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := secret.NewBox(key[:16], "a"); err == nil {
		t.Error("a short key was taken")
	}
}
