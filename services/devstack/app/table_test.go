package app

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func word(s string) *string { return &s }

func TestTable_LatestRowsInColumns(t *testing.T) {
	t.Parallel()
	rows := []row{
		{EventAt: "2026-11-20T10:00:00.000000Z", Conversion: "purchase", Value: word("1490.00"), Currency: word("NOK"), CreditedValue: word("1490.00"), Channel: "whatsapp", Tier: word("click"), Template: word("spring_sale"), Phone: word("+47 ••• 67")},
		{EventAt: "2026-11-20T09:00:00.000000Z", Conversion: "lead", Channel: "unattributed"},
		{EventAt: "2026-11-19T09:00:00.000000Z", Conversion: "too old to be shown"},
	}
	want := strings.Join([]string{
		"  WHEN (UTC)           CONVERSION        VALUE     CREDITED  CHANNEL       TIER   TEMPLATE     CAMPAIGN  PHONE",
		"  Fri 20 Nov 09:00:00  lead                  –            –  unattributed  –      –            –         –",
		"  Fri 20 Nov 10:00:00  purchase    1490.00 NOK  1490.00 NOK  whatsapp      click  spring_sale  –         +47 ••• 67",
		"",
	}, "\n")
	if diff := cmp.Diff(want, table(mixed(rows, 2))); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestMixed_ThreeOfAKind(t *testing.T) {
	t.Parallel()
	rows := []row{{EventAt: "1", Channel: "whatsapp"}}
	for _, at := range []string{"2", "3", "4", "5", "6"} {
		rows = append(rows, row{EventAt: at, Channel: "unattributed"})
	}
	var got []string
	for _, r := range mixed(rows, 10) {
		got = append(got, r.EventAt)
	}
	if diff := cmp.Diff([]string{"1", "4", "5", "6"}, got); diff != "" {
		t.Errorf("rows picked (-want +got):\n%s", diff)
	}
}

func TestMixed_EveryKindBeforeASecondOfOne(t *testing.T) {
	t.Parallel()
	rows := []row{{EventAt: "1", Conversion: "lead"}, {EventAt: "2"}, {EventAt: "3"}, {EventAt: "4"}}
	var got []string
	for _, r := range mixed(rows, 2) {
		got = append(got, r.EventAt)
	}
	if diff := cmp.Diff([]string{"1", "4"}, got); diff != "" {
		t.Errorf("rows picked (-want +got):\n%s", diff)
	}
}
