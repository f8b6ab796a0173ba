package row_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/parquet-go/parquet-go"

	"github.com/touchline/touchline/services/attribution/api/row"
)

func TestWeightAndLag_AreExactDecimals(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"1":              row.Weight(1_000_000_000_000).String(),
		"0.5":            row.Weight(500_000_000_000).String(),
		"0.333333333334": row.Weight(333_333_333_334).String(),
		"0.000000000001": row.Weight(1).String(),
		"0":              row.Weight(0).String(),
		"33439.875243":   row.Lag(33_439_875_243).String(),
		"0.000001":       row.Lag(1).String(),
		"86400":          row.Lag(86_400_000_000).String(),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestMaskPhone_ShowsCodeAndLastTwo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ phone, code, want string }{
		{"+4790123467", "47", "+47 ••• •• •67"},
		{"+12025550123", "1", "+1 ••• •• •23"},
		{"+3584012345", "358", "+358 ••• •• •45"},
		{"90123467", "", "••• •• •67"},
		{"+4712345", "47", "+47 ••• •• •••"},
		{"12", "", "••• •• •••"},
		{"", "", "••• •• •••"},
	} {
		if got := row.MaskPhone(c.phone, c.code); got != c.want {
			t.Errorf("%s: %q, want %q", c.phone, got, c.want)
		}
	}
}

func sum(id string) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, []byte("key"+id)) }

func TestOpaque_HidesEveryPlaceOfAMessageID(t *testing.T) {
	t.Parallel()
	const secret = "wamid.HBgLNDc5MDAwMDAwMQ=="
	key := secret
	r := row.Row{
		Conversion: "whatsapp.payment", ConversionID: secret + ":payment", EventID: secret + ":payment", Event: "whatsapp.payment",
		InThread: true, Channel: "whatsapp", TouchKey: &key, MessageID: &key,
	}
	order := "x " + secret + " y"
	r.OrderID = &order
	row.NewOpaque(sum).Hide(&r, "whatsapp")
	shown, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(shown), "HBgL") {
		t.Errorf("it can be read: %s", shown)
	}
	if *r.TouchKey != *r.MessageID || r.ConversionID != *r.MessageID+":payment" || !strings.HasPrefix(*r.MessageID, "m_") {
		t.Errorf("equal ids became different ones: %s", shown)
	}
}

func TestOpaque_LeavesOtherIDs(t *testing.T) {
	t.Parallel()
	visit, order := "page-1", "1001"
	r := row.Row{ConversionID: "order:1001", EventID: "e1", OrderID: &order, Channel: "paid_search", TouchKey: &visit}
	want := r
	row.NewOpaque(sum).Hide(&r, "")
	if diff := cmp.Diff(want, r); diff != "" {
		t.Error(diff)
	}
}

// Ids of WhatsApp need not begin with wamid: what is WhatsApp's is hidden by what it is.
func TestOpaque_HidesWhatsAppIDsOfAnyForm(t *testing.T) {
	t.Parallel()
	key, ad := "4790000001-7", "4790000002-1"
	r := row.Row{ConversionID: "4790000003-1:signup", EventID: "4790000003-1:signup", InThread: true, Channel: "whatsapp", TouchKey: &key, MessageID: &key}
	row.NewOpaque(sum).Hide(&r, "whatsapp")
	advert := row.Row{ConversionID: "e", EventID: "e", Channel: "whatsapp_ad", TouchKey: &ad}
	row.NewOpaque(sum).Hide(&advert, "")
	shown := r.ConversionID + r.EventID + *r.TouchKey + *r.MessageID + *advert.TouchKey
	if strings.Contains(shown, "479") || !strings.HasSuffix(r.ConversionID, ":signup") {
		t.Errorf("shown: %s", shown)
	}
}

func TestID_IsPinned(t *testing.T) {
	t.Parallel()
	key := "m1"
	workspace := uuid.MustParse("0194b3a0-0000-7000-8000-000000000001")
	r := row.Row{Conversion: "purchase", ConversionID: "order:7", Model: "linear", Channel: "whatsapp", TouchKey: &key}
	want := uuid.NewSHA1(workspace, []byte("purchase\x00order:7\x00linear\x00whatsapp\x00m1"))
	if got := row.ID(workspace, &r); got != want || got.Version() != 5 {
		t.Errorf("got %s, want %s", got, want)
	}
	other := r
	other.TouchKey = nil
	if row.ID(workspace, &other) == want {
		t.Error("without a touchpoint it has the same id")
	}
}

func TestDefuse_StopsFormulas(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"=1+1", "+1+1", "-1+1", "@SUM(1)", "\t=1", "\r=1", "\n=1", " =1", "＝1", "－1", "\ufeff=1", "\u200b=1", "\u00a0@x", "\x00=1",
		"=cmd|' /C calc'!A0", "+4790000001",
	} {
		if got := row.Defuse(text); got != "'"+text {
			t.Errorf("%q became %q", text, got)
		}
	}
	for _, text := range []string{"", "a=1", "order:1", "1-2", "spring sale", "'=1", "ø", "1001"} {
		if got := row.Defuse(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// The list is of payloads that spreadsheets ran.
func TestDefuse_StopsTheCorpus(t *testing.T) {
	t.Parallel()
	folder := os.Getenv("TOUCHLINE_CORPUS")
	if folder == "" {
		t.Skip("skipped: TOUCHLINE_CORPUS is not set, and this test reads a list from it")
	}
	raw, err := os.ReadFile(filepath.Join(folder, "corpora", "seclists", "csv-formula.json"))
	if err != nil {
		t.Fatal(err)
	}
	var payloads []string
	if err := json.Unmarshal(raw, &payloads); err != nil {
		t.Fatal(err)
	}
	for _, text := range payloads {
		shown := row.Defuse(text)
		trimmed := strings.TrimLeft(shown, " \t\r\n\x00\ufeff\u200b\u00a0")
		if trimmed != "" && strings.ContainsAny(trimmed[:1], "=+-@") {
			t.Errorf("%q still begins like a formula: %q", text, shown)
		}
	}
}

func sample() row.Row {
	text := func(s string) *string { return &s }
	at := row.InstantOf(time.Date(2026, 11, 20, 9, 30, 0, 123456000, time.UTC))
	lag, window := row.Lag(1_500_000), int64(604800)
	person := uuid.MustParse("c804f802-b98d-584b-a7ce-477880cff3ba")
	return row.Row{
		ID: uuid.MustParse("026f6bdd-d74c-51b3-aa20-8ca869924fb7"), Conversion: "purchase", ConversionID: "order:=1", EventID: "e1",
		Event: "Order Completed", EventAt: at, OrderID: text("=1"), Value: text("-10.50"), Currency: text("NOK"),
		Model: "linear", Weight: 500_000_000_000, CreditedValue: text("-5.25"), Channel: "whatsapp", Tier: text("click"),
		TouchKey: text("m1"), TouchAt: &at, WindowSeconds: &window, LagSeconds: &lag, MessageID: text("m1"),
		TemplateName: text("=HYPERLINK(\"x\")"), Campaign: text("a,\"b\"\nc"), SentAt: &at, PersonID: &person, Phone: text("+47 ••• •• •67"), PolicyVersion: 3,
	}
}

func written(t *testing.T, format row.Format, rows ...row.Row) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := row.NewWriter(&out, format)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestCSV_KeepsNumbersAndDefusesText(t *testing.T) {
	t.Parallel()
	records, err := csv.NewReader(bytes.NewReader(written(t, row.CSV, sample()))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for i, name := range records[0] {
		got[name] = records[1][i]
	}
	for name, want := range map[string]string{
		"value": "-10.50", "credited_value": "-5.25", "weight": "0.5", "lag_seconds": "1.5", "order_id": "'=1", "conversion_id": "order:=1",
		"template_name": "'=HYPERLINK(\"x\")", "campaign": "a,\"b\"\nc", "event_at": "2026-11-20T09:30:00.123456Z", "read_at": "",
		"phone": "'+47 ••• •• •67", "in_thread": "false", "window_seconds": "604800", "policy_version": "3",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

// The names and their order are one in all forms.
func TestFormats_HaveTheSameColumns(t *testing.T) {
	t.Parallel()
	names, err := csv.NewReader(bytes.NewReader(written(t, row.CSV))).Read()
	if err != nil {
		t.Fatal(err)
	}
	var inJSON []string
	decoder := json.NewDecoder(bytes.NewReader(written(t, row.NDJSON, sample())))
	for depth, isName := 0, true; ; {
		token, err := decoder.Token()
		if err != nil {
			break
		}
		if _, delim := token.(json.Delim); delim {
			depth++
			continue
		}
		if isName {
			inJSON = append(inJSON, token.(string))
		}
		isName = !isName
	}
	if diff := cmp.Diff(names, inJSON); diff != "" {
		t.Error(diff)
	}
	file := written(t, row.Parquet, sample())
	opened, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	var inParquet []string
	for _, field := range opened.Schema().Fields() {
		inParquet = append(inParquet, field.Name())
	}
	if diff := cmp.Diff(names, inParquet); diff != "" {
		t.Error(diff)
	}
}

func TestParquet_ReadsBack(t *testing.T) {
	t.Parallel()
	type read struct {
		ID      string   `parquet:"id"`
		EventAt int64    `parquet:"event_at,timestamp(microsecond)"`
		Value   *string  `parquet:"value,optional"`
		Weight  float64  `parquet:"weight"`
		ReadAt  *int64   `parquet:"read_at,optional,timestamp(microsecond)"`
		Lag     *float64 `parquet:"lag_seconds,optional"`
	}
	file := written(t, row.Parquet, sample(), sample())
	got, err := parquet.Read[read](bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 {
		t.Fatalf("%d rows", len(got))
	}
	value, lag := "-10.50", 1.5
	want := read{
		ID: "026f6bdd-d74c-51b3-aa20-8ca869924fb7", Value: &value, Weight: 0.5, Lag: &lag,
		EventAt: time.Date(2026, 11, 20, 9, 30, 0, 123456000, time.UTC).UnixMicro(),
	}
	if diff := cmp.Diff(want, got[1]); diff != "" {
		t.Error(diff)
	}
}

func TestMaskIdentifier(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"": "•••", "u1": "•••", "abcd": "•••", "u-100": "•••00", "user-000042": "•••42", "3f0a55aa-0000": "•••0000",
		"kari@example.com": "k•••@example.com", "øystein@x.no": "ø•••@x.no", "@x.no": "•••no", "NO.13491208655302741918": "•••1918",
	} {
		if got := row.MaskIdentifier(value); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}
