package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// FieldError is one thing wrong with a document.
type FieldError struct {
	Pointer string // RFC 6901, e.g. "/windows/0/tier"
	Detail  string // a sentence for the one who wrote the document
}

// The caps on a document. Guessed: generous for people, small for machines.
const (
	maxModels      = 16
	maxWindows     = 500
	maxConversions = 200
	maxRules       = 500
	maxTerms       = 1000
	maxWhere       = 32
	maxText        = 256             // bytes of one text
	maxSeconds     = 100 * 366 * day // a century
)

// Parse reads a document of PUT /v1/policy and fills in the defaults. All that is
// wrong with it comes back at once; the policy is usable only when there are no
// faults. The error is set when the document is no JSON object at all.
func Parse(document []byte) (Policy, []FieldError, error) {
	var top map[string]json.RawMessage
	if err := json.Unmarshal(document, &top); err != nil {
		return Policy{}, nil, fmt.Errorf("read policy document: %w", err)
	}
	if top == nil {
		return Policy{}, nil, fmt.Errorf("read policy document: not one JSON object")
	}
	p := Default()
	r := &reader{}
	r.object("", document, p.fields(r))
	p.check(r)
	return p, r.faults, nil
}

// Document returns the policy as the document that [Parse] reads back unchanged.
func (p *Policy) Document() []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(p); err != nil {
		// Unreachable for a policy that Parse made: its numbers are JSON numbers.
		return nil
	}
	return bytes.TrimSpace(b.Bytes())
}

// fields says how each field of the document is read.
func (p *Policy) fields(r *reader) map[string]field {
	return map[string]field{
		"models":                        r.words(&p.Models, maxModels, FirstTouch, LastTouch, Linear, TimeDecay, PositionBased, TierWeighted),
		"half_life_seconds":             r.seconds(&p.HalfLifeSeconds),
		"position_first":                r.number(&p.PositionFirst),
		"position_last":                 r.number(&p.PositionLast),
		"tier_weights":                  r.tierWeights(&p.TierWeights),
		"precedence":                    r.word(&p.Precedence, PrecedenceAny, PrecedenceStrongestTier),
		"implicit_reply_window_seconds": r.seconds(&p.ImplicitReplyWindowSeconds),
		"session_messages":              r.word(&p.SessionMessages, SessionIgnore, SessionCount),
		"confirm_clicks":                r.word(&p.ConfirmClicks, ConfirmRedirect, ConfirmPixel),
		"browser_links":                 r.word(&p.BrowserLinks, LinksOn, LinksOff),
		"opt_out_terms":                 r.texts(&p.OptOutTerms, maxTerms),
		"ignored_referrers":             r.texts(&p.IgnoredReferrers, maxTerms),
		"blocked_identifiers":           r.texts(&p.BlockedIdentifiers, maxTerms),
		"windows":                       list(r, &p.Windows, maxWindows, r.window),
		"conversions":                   list(r, &p.Conversions, maxConversions, r.definition),
		"keyword_rules":                 list(r, &p.KeywordRules, maxRules, r.keywordRule),
	}
}

func (r *reader) tierWeights(to *map[string]Number) field {
	return func(pointer string, raw json.RawMessage) {
		weights := map[string]Number{}
		fields := map[string]field{}
		for _, tier := range tiers() {
			fields[tier] = func(pointer string, raw json.RawMessage) {
				var weight Number
				r.number(&weight)(pointer, raw)
				weights[tier] = weight
			}
		}
		r.object(pointer, raw, fields)
		*to = weights
	}
}

func (r *reader) window(pointer string, raw json.RawMessage) Window {
	var w Window
	r.object(pointer, raw, map[string]field{
		"conversion": r.text(&w.Conversion),
		"channel":    r.text(&w.Channel),
		"campaign":   r.text(&w.Campaign),
		"template":   r.text(&w.Template),
		"tier":       r.word(&w.Tier, tiers()...),
		"seconds":    r.seconds(&w.Seconds),
	})
	r.required(pointer, raw, "seconds")
	return w
}

func (r *reader) definition(pointer string, raw json.RawMessage) Definition {
	d := Definition{ValueProperties: valueProperties()}
	r.object(pointer, raw, map[string]field{
		"name":                r.text(&d.Name),
		"event":               r.text(&d.Event),
		"where":               r.where(&d.Where),
		"value_properties":    r.texts(&d.ValueProperties, maxWhere),
		"refund_event":        r.text(&d.RefundEvent),
		"once_within_seconds": r.seconds(&d.OnceWithinSeconds),
	})
	r.required(pointer, raw, "name", "event")
	if d.RefundEvent != "" && d.RefundEvent == d.Event {
		r.fault(pointer+"/refund_event", "is the event itself: every conversion would be its own refund")
	}
	return d
}

// where reads conditions; numbers and booleans stand for their own text.
func (r *reader) where(to *map[string]string) field {
	return func(pointer string, raw json.RawMessage) {
		var conditions map[string]json.RawMessage
		if json.Unmarshal(raw, &conditions) != nil {
			r.fault(pointer, "must be an object of property names and texts")
			return
		}
		if len(conditions) > maxWhere {
			r.fault(pointer, "has more than "+strconv.Itoa(maxWhere)+" conditions")
			return
		}
		where := make(map[string]string, len(conditions))
		for _, name := range sortedKeys(conditions) {
			text, ok := scalar(conditions[name])
			if !ok || len(text) > maxText || len(name) > maxText {
				r.fault(pointer+"/"+escape(name), "must be a text of at most "+strconv.Itoa(maxText)+" bytes")
			}
			where[name] = text
		}
		if len(where) > 0 {
			*to = where
		}
	}
}

func (r *reader) keywordRule(pointer string, raw json.RawMessage) KeywordRule {
	k := KeywordRule{Any: []string{}, All: []string{}, None: []string{}, Mode: ModeWord}
	r.object(pointer, raw, map[string]field{
		"event":    r.text(&k.Event),
		"any":      r.texts(&k.Any, maxTerms),
		"all":      r.texts(&k.All, maxTerms),
		"none":     r.texts(&k.None, maxTerms),
		"mode":     r.word(&k.Mode, ModeWord, ModeSubstring),
		"value":    r.number(&k.Value),
		"currency": r.currency(&k.Currency),
	})
	r.required(pointer, raw, "event")
	if len(k.Any)+len(k.All) == 0 {
		r.fault(pointer, "needs a term in any or all: it would match every text")
	}
	if k.Currency != "" && k.Value == "" {
		r.fault(pointer+"/currency", "has no value beside it")
	}
	return k
}
