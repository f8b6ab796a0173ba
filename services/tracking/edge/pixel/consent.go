package pixel

import (
	"encoding/json"
	"strings"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/tracking/edge/lenient"
)

// maxTC bounds a TC string, in bytes. Those of today's list of vendors have about 2,000.
const maxTC = 8 << 10

// modeParts are what Google Consent Mode v2 is asked for.
var modeParts = [...]string{
	"ad_personalization", "ad_storage", "ad_user_data", "analytics_storage",
	"functionality_storage", "personalization_storage", "security_storage",
}

// readConsent returns what an event says of consent, nil when nothing. Clean is false
// when something that it says is none of what there is; that is left out.
func readConsent(o lenient.Object) (c *hit.Consent, clean bool) {
	if !o.Has("consent") && !o.Has("signals") {
		return nil, true
	}
	c = &hit.Consent{}
	clean = setState(c, o)
	if !o.Has("signals") {
		return c, clean
	}
	signals, ok := lenient.Read(o.Get("signals"))
	c.GPC, c.DNT = signals.True("gpc"), signals.True("dnt")
	if signals.Has("gcm") {
		c.GCM, clean = consentMode(signals.Get("gcm"), clean)
	}
	if signals.Has("tcf") {
		if c.TCF = signals.Text("tcf"); !isTC(c.TCF) {
			c.TCF, clean = "", false
		}
	}
	return c, clean && ok
}

// setState reads the state of consent, if one is stated.
func setState(c *hit.Consent, o lenient.Object) (clean bool) {
	if !o.Has("consent") {
		return true
	}
	stated, _ := o.String("consent")
	c.State, clean = stateOf(stated)
	return clean
}

// stateOf reads a state of consent; empty and false when it is none.
func stateOf(text string) (state hit.ConsentState, ok bool) {
	switch state := hit.ConsentState(text); state {
	case hit.ConsentUnknown, hit.ConsentDenied, hit.ConsentGranted:
		return state, true
	}
	return "", false
}

// consentMode keeps of raw the known parts with a known value, in canonical form; clean
// stays as it is when that was all.
func consentMode(raw json.RawMessage, clean bool) (mode json.RawMessage, stillClean bool) {
	stated, ok := lenient.Read(raw)
	known := 0
	for _, part := range modeParts {
		value, is := stated.String(part)
		if !is || value != "granted" && value != "denied" {
			continue
		}
		known++
		if mode == nil {
			mode = append(mode, '{')
		} else {
			mode = append(mode, ',')
		}
		mode = append(mode, `"`+part+`":"`+value+`"`...)
	}
	if mode != nil {
		mode = append(mode, '}')
	}
	return mode, clean && ok && known == stated.Len()
}

// isTC reports whether text may be a TC string: segments of base64url with dots between.
func isTC(text string) bool {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
	return text != "" && len(text) <= maxTC && strings.Trim(text, alphabet) == ""
}
