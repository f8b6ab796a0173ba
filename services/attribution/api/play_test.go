package api_test

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/consume"
	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
)

// play sends facts through the streams, as the edge would, and waits until the books
// say that the table has them. The facts' sources are named after their trust.
func (r *rig) play(workspace uuid.UUID, admin string, facts ...hit.Fact) {
	r.t.Helper()
	hits := make([]hit.Hit, len(facts))
	for i, f := range facts {
		f.Source = sourceNamed(f.Trust)
		f.ReceivedAt = hit.InstantOf(day.AddDate(0, 0, 1))
		hits[i] = hit.Hit{Workspace: workspace, Fact: f}
	}
	config := r.stream
	config.Logger = slog.New(slog.DiscardHandler)
	writer, err := stream.NewWriter(r.client, config, uuid.New())
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := writer.Append(r.t.Context(), hits); err != nil {
		r.t.Fatal(err)
	}
	if err := writer.Close(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 2)
	deriver := derive.New(postgres.NewDeriveStore(r.worker, r.ring), derive.Config{Poll: 20 * time.Millisecond, Log: config.Logger})
	go func() { done <- r.consumer(config).Run(ctx) }()
	go func() { done <- deriver.Run(ctx) }()
	defer func() {
		stop()
		for range 2 {
			if err := <-done; err != nil {
				r.t.Error(err)
			}
		}
	}()
	r.settled(admin)
}

// settled waits until nothing is pending.
func (r *rig) settled(admin string) {
	r.t.Helper()
	var books struct{ Accepted, Pending int }
	for deadline := time.Now().Add(time.Minute); ; <-time.After(10 * time.Millisecond) {
		r.read("/v1/ingestion", admin, &books)
		if books.Accepted > 0 && books.Pending == 0 {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("still pending: %+v", books)
		}
	}
}

func (r *rig) consumer(config stream.Config) *consume.Consumer {
	reading := config
	reading.Recover = r.worker.RecoverBooks
	return consume.New(consume.Config{
		Shards: 2, BatchSize: 100, Block: 20 * time.Millisecond, MinIdle: time.Minute, ClaimEvery: time.Minute,
		StaleAfter: time.Minute, ChoreEvery: 20 * time.Millisecond, FoldAfter: time.Minute, Logger: config.Logger,
	}, consume.Parts{
		Reader:  stream.NewReader(r.client, reading, "attribution", uuid.New()),
		Books:   func(ctx context.Context) ([]stream.ShardBooks, error) { return stream.ReadBooks(ctx, r.client, config) },
		Store:   consume.NewStore(r.worker),
		Digests: r.ring,
	})
}

func sourceNamed(trust hit.Trust) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte{byte(trust)})
}

// at is a time in minutes from nine o'clock.
func at(minutes int) hit.Instant {
	return hit.InstantOf(day.Add(time.Duration(minutes) * time.Minute))
}

func name(kind hit.IdentifierKind, value string) hit.Identifier {
	return hit.Identifier{Kind: kind, Value: value}
}

func device(value string) *hit.Identifier {
	id := name(hit.Device, value)
	return &id
}

// message registers a WhatsApp message to a phone.
func message(id string, minutes int, phone, token string) hit.Fact {
	return hit.Fact{
		Kind: hit.KindMessage, Trust: hit.TrustServer, Channel: hit.ChannelWhatsApp, ID: id, At: at(minutes),
		Identifiers: []hit.Identifier{name(hit.Phone, phone)},
		Message:     &hit.Message{Sender: "1", Campaign: "c1", Token: token, Template: &hit.Template{Name: "spring", Language: "nb"}},
	}
}

// status is what WhatsApp reports of a message.
func status(id string, what hit.Status, minutes int) hit.Fact {
	return hit.Fact{Kind: hit.KindStatus, Trust: hit.TrustWebhook, Channel: hit.ChannelWhatsApp, ID: id, Status: what, At: at(minutes), Report: &hit.Report{Sender: "1"}}
}

// inbound is a text to the business.
func inbound(id string, minutes int, phone, text, context string) hit.Fact {
	return hit.Fact{
		Kind: hit.KindInbound, Trust: hit.TrustWebhook, Channel: hit.ChannelWhatsApp, ID: id, At: at(minutes),
		Identifiers: []hit.Identifier{name(hit.Phone, phone)}, Inbound: &hit.Inbound{Business: "1", Type: "text", Text: text, Context: context},
	}
}

// page is a page view of a device.
func page(id string, minutes int, on, query string) hit.Fact {
	return hit.Fact{Kind: hit.KindPage, Trust: hit.TrustBrowser, ID: id, At: at(minutes), Device: device(on), Page: &hit.Page{URL: "https://shop.example/" + query}}
}

// event is an event of somebody, or of nobody by name.
func event(trust hit.Trust, id string, minutes int, called, properties string, who ...hit.Identifier) hit.Fact {
	return hit.Fact{
		Kind: hit.KindEvent, Trust: trust, ID: id, At: at(minutes), Identifiers: who,
		Event: &hit.Event{Name: called, Properties: []byte(properties)},
	}
}

// login is an identify call.
func login(trust hit.Trust, id string, minutes int, on *hit.Identifier, who ...hit.Identifier) hit.Fact {
	return hit.Fact{
		Kind: hit.KindIdentify, Trust: trust, ID: id, At: at(minutes), Device: on, Identifiers: who, Identify: &hit.Identify{Call: "identify"},
	}
}
