package whatsapp

import (
	"encoding/json"
	"math/big"
	"regexp"
	"strconv"
	"strings"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/tracking/edge/lenient"
	"github.com/touchline/touchline/services/tracking/intake"
)

// status reads one element of statuses.
func (c *change) status(element []byte, index, n int) intake.Item {
	o, _ := lenient.Read(element)
	word, payment := known(o)
	if o.Text("id") == "" || word == "" {
		return c.rawElement("statuses", element)
	}
	group := o.Text("recipient_type") == "group"
	report := &hit.Report{
		Sender:   c.business,
		Category: lenient.Scalar(lenient.Get(o.Get("pricing"), "category")),
		Group:    group,
		Extra:    keep(o, "biz_opaque_callback_data", "conversation", "errors", "payment", "pricing", "recipient_identity_key_hash"),
	}
	report.Code, report.Reason = failure(o)
	if payment {
		report.Payment = paid(o.Object("payment"))
	}
	item := intake.Item{
		Fact: hit.Fact{
			Kind: hit.KindStatus, Channel: hit.ChannelWhatsApp,
			ID: o.Text("id"), Status: word, Report: report,
		},
		Stated:    stated(o),
		Raw:       element,
		Anonymous: true,
	}
	if !group {
		item.Names = c.names(party{waID: o.Text("recipient_id"), bsuid: o.Text("recipient_user_id")}, index, n)
	}
	return item
}

// paymentForm is what a payment's status is called: it becomes part of a key.
var paymentForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// known returns the status that an element states; "" when it is none we know (a
// call's, or a new one).
func known(o lenient.Object) (word hit.Status, payment bool) {
	text := o.Text("status")
	switch o.Text("type") {
	case "payment":
		if text = strings.ToLower(text); !paymentForm.MatchString(text) {
			return "", true
		}
		return hit.Status(hit.StatusPaymentPrefix + text), true
	case "", "message":
	default:
		return "", false
	}
	switch word = hit.Status(text); word {
	case hit.StatusSent, hit.StatusDelivered, hit.StatusRead, hit.StatusPlayed, hit.StatusFailed:
		return word, false
	}
	return "", false
}

// stated reads Meta's time: whole seconds, as a string or a number.
func stated(o lenient.Object) intake.Stated {
	return intake.Stated{Text: o.Text("timestamp"), Seconds: true}
}

// failure returns the first error's number and words. Errors count whatever the
// status is: they have been seen on "sent".
func failure(o lenient.Object) (code int, reason string) {
	for element := range lenient.Elements(o.Get("errors")) {
		e, _ := lenient.Read(element)
		code, _ = strconv.Atoi(e.Text("code"))
		reason = e.Text("title")
		if reason == "" {
			reason = e.Text("message")
		}
		if details := e.Object("error_data").Text("details"); details != "" && details != reason {
			reason = strings.TrimPrefix(reason+": "+details, ": ")
		}
		return code, reason
	}
	return 0, ""
}

// paid reads a payment. Its amount is value / offset.
func paid(o lenient.Object) *hit.Payment {
	amount := o.Object("amount")
	return &hit.Payment{
		Reference: o.Text("reference_id"),
		Amount: hit.Amount{
			Amount:   quotient(amount.Text("value"), amount.Text("offset")),
			Currency: strings.ToUpper(o.Text("currency")),
		},
	}
}

// decimalForm bounds a number before anything calculates with it.
var decimalForm = regexp.MustCompile(`^-?\d{1,15}(\.\d{1,12})?$`)

// decimal reads a decimal exactly; ok is false for what is none.
func decimal(text string) (value *big.Rat, ok bool) {
	if !decimalForm.MatchString(text) {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}

// quotient divides two decimals; "" when one is none, or the divisor is zero, or the
// result has no end.
func quotient(value, offset string) string {
	v, ok := decimal(value)
	if !ok {
		return ""
	}
	if offset == "" {
		offset = "1"
	}
	d, ok := decimal(offset)
	if !ok || d.Sign() == 0 {
		return ""
	}
	return decimalText(v.Quo(v, d))
}

// decimalText writes a number with as many decimals as it has; "" when they have no
// end.
func decimalText(value *big.Rat) string {
	decimals, exact := value.FloatPrec()
	if !exact {
		return ""
	}
	return value.FloatString(decimals)
}

// keep writes some members of an object as an object, in the order of keys, which need no
// escapes; nil when it has none of them. What is kept is made canonical later.
func keep(o lenient.Object, keys ...string) json.RawMessage {
	size := 0
	for _, key := range keys {
		if o.Has(key) {
			size += len(`"":,`) + len(key) + len(o.Get(key))
		}
	}
	if size == 0 { // as of most objects
		return nil
	}
	kept := append(make([]byte, 0, size+1), '{')
	for _, key := range keys {
		if o.Has(key) {
			kept = append(append(append(kept, '"'), key...), `":`...)
			kept = append(append(kept, o.Get(key)...), ',')
		}
	}
	kept[len(kept)-1] = '}'
	return kept
}
