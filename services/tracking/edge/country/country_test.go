package country

import (
	"testing"

	"github.com/touchline/touchline/services/tracking/edge/lenient"
)

func TestOf(t *testing.T) {
	t.Parallel()
	for document, want := range map[string]string{
		`{"country":"no"}`: "NO", `{"country_code":"SE","country":"Norway"}`: "SE", `{"country":"Norway"}`: "", `{"country":"N1"}`: "", `{}`: "",
		`{"address":{"country":"DK"},"country":"NO"}`:                                            "DK",
		`{"billing_address":{"country_code":"FI"},"address":{"country":"DK"}}`:                   "FI",
		`{"shipping_address":{"country":"SE"},"billing_address":{"country_code":"FI"}}`:          "SE",
		`{"shipping_address":{"country":"Sverige"},"billing_address":{"country_code":"FI"}}`:     "FI",
		`{"shipping_address":"Storgata 1","billing_address":null,"address":[],"country_code":7}`: "",
	} {
		o, _ := lenient.Read([]byte(document))
		if got := Of(o); got != want {
			t.Errorf("%s: %q, want %q", document, got, want)
		}
	}
}
