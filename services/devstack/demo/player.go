package demo

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Keys are what the sources of the demo workspace sign in with.
type Keys struct {
	PixelKey, ServerKey       string // write keys
	WebhookPath, WhatsAppPath string // below the tracking service's address
	WebhookSecret, AppSecret  string
}

// Player sends hits to a tracking service. It is safe for concurrent use.
type Player struct {
	URL    string // of the tracking service, without a slash at the end
	Keys   Keys
	Client *http.Client // nil means http.DefaultClient
}

// most is how many hits one request carries at most; the shop's webhook carries
// one, as such webhooks do.
const most = 50

// ErrRefused says that the tracking service does not know the sender. A request
// that it cannot use (400, 422) is no such thing: the demo makes those on purpose,
// and the service counts them.
var ErrRefused = errors.New("the tracking service refused the sender")

// PlayAtOnce sends hits whose order does not matter to anybody, in large requests,
// a few at a time. Sent is told after each request how many hits went out with
// it, from several goroutines; it may be nil.
func (p *Player) PlayAtOnce(ctx context.Context, hits []Hit, sent func(int)) error {
	const atOnce = 4 // guessed: enough to fill a group commit, little enough for a laptop
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var jobs sync.WaitGroup
	places := make(chan struct{}, atOnce)
	sorted := slices.Clone(hits)
	slices.SortStableFunc(sorted, func(a, b Hit) int { return int(a.Door) - int(b.Door) })
	for chunk := range slices.Chunk(sorted, most) {
		places <- struct{}{}
		jobs.Go(func() {
			defer func() { <-places }()
			if err := p.Play(ctx, chunk, sent); err != nil {
				cancel(err)
			}
		})
	}
	jobs.Wait()
	return context.Cause(ctx)
}

// Play sends the hits, neighbours of one door together, in their order. A busy
// or restarting service is asked again until ctx ends. Sent is told after each
// request how many hits went out with it; it may be nil.
func (p *Player) Play(ctx context.Context, hits []Hit, sent func(int)) error {
	for len(hits) > 0 {
		n := 1
		for n < len(hits) && n < most && hits[n].Door == hits[0].Door && hits[0].Door != Webhook {
			n++
		}
		if err := p.deliver(ctx, hits[:n]); err != nil {
			return err
		}
		if sent != nil {
			sent(n)
		}
		hits = hits[n:]
	}
	return nil
}

// deliver sends one request until it is taken.
func (p *Player) deliver(ctx context.Context, hits []Hit) error {
	path, body, err := p.render(hits)
	if err != nil {
		return err
	}
	for {
		err := p.post(ctx, hits[0].Door, path, body)
		if err == nil || errors.Is(err, ErrRefused) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("send to %s: %w (last: %w)", path, ctx.Err(), err)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

func (p *Player) post(ctx context.Context, door Door, path string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	switch door {
	case WhatsApp:
		req.Header.Set("X-Hub-Signature-256", sign(p.Keys.AppSecret, body))
	case Webhook:
		req.Header.Set("X-Signature-256", sign(p.Keys.WebhookSecret, body))
	case Pixel:
		req.Header.Set("Authorization", basic(p.Keys.PixelKey))
	default:
		req.Header.Set("Authorization", basic(p.Keys.ServerKey))
	}
	client := p.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1000))
	if err != nil {
		return err
	}
	switch {
	case resp.StatusCode < 300, resp.StatusCode == http.StatusBadRequest, resp.StatusCode == http.StatusUnprocessableEntity:
		return nil
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500:
		return fmt.Errorf("%s answered %s: %s", path, resp.Status, answer)
	}
	return fmt.Errorf("%w: %s answered %s: %s", ErrRefused, path, resp.Status, answer)
}

// render writes hits of one door as its request.
func (p *Player) render(hits []Hit) (path string, body []byte, err error) {
	bodies := make([]object, len(hits))
	for i, h := range hits {
		bodies[i] = h.Body
	}
	var request any
	switch hits[0].Door {
	case Messages:
		path, request = "/v1/messages", object{"messages": bodies}
	case Statuses:
		path, request = "/v1/messages/statuses", object{"statuses": bodies}
	case WhatsApp:
		path, request = p.Keys.WhatsAppPath, envelope(bodies)
	case Webhook:
		path, request = p.Keys.WebhookPath, bodies[0]
	default:
		path, request = "/v1/batch", object{"batch": bodies}
	}
	body, err = json.Marshal(request)
	if err != nil {
		return "", nil, fmt.Errorf("write a request for %s: %w", path, err)
	}
	return path, body, nil
}

// envelope wraps statuses and inbound messages as the Cloud API does.
func envelope(items []object) object {
	value := object{
		"messaging_product": "whatsapp",
		"metadata":          object{"display_phone_number": phoneNumber, "phone_number_id": phoneID},
	}
	var statuses, messages, contacts []object
	for _, item := range items {
		if _, isStatus := item["status"]; isStatus {
			statuses = append(statuses, item)
			continue
		}
		messages = append(messages, item)
		contacts = append(contacts, object{"profile": object{"name": "Demo"}, "wa_id": item["from"]})
	}
	if statuses != nil {
		value["statuses"] = statuses
	}
	if messages != nil {
		value["messages"], value["contacts"] = messages, contacts
	}
	return object{"object": "whatsapp_business_account", "entry": []object{
		{"id": "2001", "changes": []object{{"field": "messages", "value": value}}},
	}}
}

func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func basic(key string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(strings.TrimSpace(key)+":"))
}
